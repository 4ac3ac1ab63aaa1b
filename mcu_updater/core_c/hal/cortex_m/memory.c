/* memcpy and its like, small: those of newlib take 700 bytes, of 8 KiB that some bootloaders have. They
 * need -fno-tree-loop-distribute-patterns, or the compiler makes calls of themselves out of their loops. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef uint32_t __attribute__((may_alias)) word; /* whatever the bytes are */

static int are_aligned(const void *one, const void *other)
{
    return (((uintptr_t)one | (uintptr_t)other) & 3u) == 0u;
}

void *memcpy(void *restrict to, const void *restrict from, size_t size)
{
    unsigned char *target = to;
    const unsigned char *source = from;

    if (are_aligned(to, from)) {
        for (; size >= 4u; size -= 4u, target += 4, source += 4) {
            *(word *)(void *)target = *(const word *)(const void *)source;
        }
    }
    while (size > 0u) {
        *target++ = *source++;
        size--;
    }
    return to;
}

void *memmove(void *to, const void *from, size_t size)
{
    unsigned char *target = to;
    const unsigned char *source = from;

    if (target <= source) {
        for (size_t at = 0u; at < size; at++) {
            target[at] = source[at];
        }
        return to;
    }
    while (size > 0u) {
        size--;
        target[size] = source[size];
    }
    return to;
}

void *memset(void *to, int value, size_t size)
{
    unsigned char *target = to;

    while (size > 0u) {
        *target++ = (unsigned char)value;
        size--;
    }
    return to;
}

int memcmp(const void *one, const void *other, size_t size)
{
    const unsigned char *first = one;
    const unsigned char *second = other;

    for (size_t at = 0u; at < size; at++) {
        if (first[at] != second[at]) {
            return first[at] < second[at] ? -1 : 1;
        }
    }
    return 0;
}

size_t strlen(const char *text)
{
    size_t size = 0u;

    while (text[size] != '\0') {
        size++;
    }
    return size;
}
