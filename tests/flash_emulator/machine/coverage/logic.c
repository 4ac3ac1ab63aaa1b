/* All kinds of statements, for one input: for Cortex-M from flash, for this machine from argv. */
#ifdef MCU
#define REGISTER(address) (*(volatile unsigned *)(address))
void start(void);
__attribute__((section(".vectors"), used)) static void *const vectors[] = {
    (void *)0x20001000, (void *)start,
};
#else
#include <stdlib.h>
#endif

static volatile unsigned noted;

static inline __attribute__((always_inline)) unsigned clamped(unsigned value)
{
    if (value > 10u) {
        noted += 100u;
        value = 10u;
    }
    noted += 1u;
    return value;
}

static unsigned digits(unsigned value)
{
    unsigned count = 0u;

    do {
        count++;
        value /= 10u;
    } while (value != 0u);
    return count;
}

static unsigned kind(unsigned value)
{
    switch (value % 8u) {
    case 0u:
        return 3u;
    case 1u:
        noted += 2u;
        break;
    case 2u:
    case 3u:
        noted += 4u;
        /* fall through */
    case 4u:
        noted += 8u;
        break;
    case 5u:
        if (value > 100u && (value & 16u)) {
            return 9u;
        }
        break;
    case 7u:
        goto out;
    default:
        noted += 16u;
    }
    return 1u;
out:
    noted += 32u;
    return 2u;
}

static unsigned logic(unsigned seed)
{
    unsigned sum = seed == 1u ? 77u : 5u;

    if (seed == 12u || (seed > 200u && seed < 300u)) {
        noted += 3u;
    } else if (!(seed & 1u)) {
        noted += 5u;
    } else {
        for (unsigned i = 0u; i < seed % 5u; i++) {
            if (i == 2u) {
                continue;
            }
            sum += kind(i + seed);
            if (sum > 80u) {
                break;
            }
        }
    }
    while (sum > 20u) {
        sum -= 15u;
    }
    sum += clamped(seed);
    return sum + clamped(seed >> 6) + kind(seed) + digits(seed);
}

#ifdef MCU
void start(void)
{
    noted = logic(REGISTER(0x08004000));
    REGISTER(0x40022008) = 0x45670123u; /* a search wants an operation: the input is erased */
    REGISTER(0x40022008) = 0xCDEF89ABu;
    REGISTER(0x40022014) = 8u << 3 | 2u;
    REGISTER(0x40022014) = 8u << 3 | 2u | 1u << 16;
    __asm volatile("bkpt #0");
}
#else
int main(int count, char **arguments)
{
    noted = logic((unsigned)strtoul(arguments[count - 1], 0, 10));
    return 0;
}
#endif
