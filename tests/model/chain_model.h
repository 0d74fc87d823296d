/* The model of chain.h as the search sees it. Set chain_settings before. */
#ifndef CATENA_TESTS_MODEL_CHAIN_MODEL_H
#define CATENA_TESTS_MODEL_CHAIN_MODEL_H

#include "tests/model/explore.h"

extern const struct model chain_model;

#endif
