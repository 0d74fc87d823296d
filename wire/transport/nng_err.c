#include "wire/transport/internal.h"

enum err err_of_nng(int number)
{
    if ((number & (int)NNG_ESYSERR) != 0 || (number & (int)NNG_ETRANERR) != 0)
        return ERR_IO;
    switch (number) {
    case 0:
        return ERR_OK;
    case NNG_EINVAL:
    case NNG_EADDRINVAL:
        return ERR_INVALID;
    case NNG_ETIMEDOUT:
        return ERR_TIMEOUT;
    case NNG_ECANCELED:
        return ERR_CANCELLED;
    case NNG_ENOTSUP:
        return ERR_UNSUPPORTED;
    case NNG_EADDRINUSE:
        return ERR_EXISTS;
    case NNG_EPERM:
        return ERR_ACCESS;
    case NNG_ECONNREFUSED:
    case NNG_ECONNRESET:
    case NNG_ECONNABORTED:
    case NNG_ECONNSHUT:
    case NNG_ECLOSED:
    case NNG_EUNREACHABLE:
        return ERR_UNREACHABLE;
    default:
        return ERR_IO;
    }
}

const char *text_of_nng(int number)
{
    switch (number) {
    case NNG_ECONNSHUT:
    case NNG_ECLOSED:
        return "the peer closed the connection";
    case NNG_ECONNRESET:
        return "the peer reset the connection";
    case NNG_ECONNREFUSED:
        return "connection refused";
    case NNG_EADDRINUSE:
        return "the address is in use";
    case NNG_EADDRINVAL:
        return "not an address, or a host name that does not resolve";
    default:
        return nng_strerror(number);
    }
}
