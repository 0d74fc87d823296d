/* The operating system's clocks. Cores never call these: time reaches them as a field of events. */
#ifndef CATENA_BASE_IO_CLOCK_H
#define CATENA_BASE_IO_CLOCK_H

#include <stdint.h>

/* Microseconds since the host started, suspension included (CLOCK_BOOTTIME): leases and detectors
 * count in it, because a lease also runs out while the host sleeps (protocol rule R30). */
uint64_t clock_boot_us(void);
/* Microseconds of CLOCK_MONOTONIC: for measuring durations. */
uint64_t clock_monotonic_us(void);
/* Milliseconds since 1970 (CLOCK_REALTIME): for people only, never decides an order. */
uint64_t clock_wall_ms(void);

#endif
