#include "fwu_flash.h"

#include "fwu_bytes.h"
#include "fwu_hal.h"
#include "fwu_hash.h"

#if FWU_STRATEGY == FWU_STRATEGY_COPY
static const struct fwu_area *area_of(uint8_t index)
{
    return &fwu_areas[index];
}

static uint32_t base_of(uint8_t index)
{
    (void)index;
    return FWU_FLASH_BASE;
}

static uint32_t link_address(void)
{
    return FWU_FLASH_BASE + fwu_areas[FWU_EXECUTION].slot.offset;
}
#else
static const struct fwu_area *area_of(uint8_t index)
{
    (void)index;
    return &fwu_areas[0];
}

static uint32_t base_of(uint8_t index)
{
    return index == fwu_hal_mapped_bank() ? FWU_FLASH_BASE : FWU_FLASH_BASE + FWU_BANK_SIZE;
}

static uint32_t link_address(void)
{
    return FWU_FLASH_BASE + fwu_areas[0].slot.offset;
}
#endif

static void open_window(struct fwu_window *window, uint32_t base, const struct fwu_region *region)
{
    window->address = base + region->offset;
    window->region = region;
}

void fwu_open_bank(struct fwu_bank *bank, uint8_t index)
{
    const struct fwu_area *area = area_of(index);
    uint32_t base = base_of(index);

    bank->index = index;
    bank->link_address = link_address();
    open_window(&bank->slot, base, &area->slot);
    open_window(&bank->half[0], base, &area->half[0]);
    open_window(&bank->half[1], base, &area->half[1]);
}

bool fwu_read(const struct fwu_window *window, uint32_t offset, uint8_t *data, uint32_t size)
{
    return fwu_hal_read(window->address + offset, data, size);
}

#ifdef FWU_HAL_COMPARES
uint32_t fwu_match(const struct fwu_window *window, uint32_t offset, const uint8_t *expected,
                   uint32_t size)
{
    return fwu_hal_match(window->address + offset, expected, size);
}

bool fwu_digest(const struct fwu_window *window, uint32_t size, uint8_t digest[32])
{
    return fwu_hal_sha256(window->address, size, digest);
}
#else
/* Unit by unit: what cannot be read spoils no more than itself. */
uint32_t fwu_match(const struct fwu_window *window, uint32_t offset, const uint8_t *expected,
                   uint32_t size)
{
    uint32_t address = window->address + offset;
    uint32_t done = 0;

    while (done < size) {
        uint8_t held[FWU_PROGRAM_UNIT];
        uint32_t room =
            FWU_PROGRAM_UNIT - (address - FWU_FLASH_BASE + done) % FWU_PROGRAM_UNIT;
        uint32_t step = size - done < room ? size - done : room;

        if (!fwu_hal_read(address + done, held, step) || !fwu_same(held, expected + done, step)) {
            break;
        }
        done += step;
    }
    return done;
}

bool fwu_digest(const struct fwu_window *window, uint32_t size, uint8_t digest[32])
{
    struct fwu_hash hash;
    uint32_t done = 0;

    fwu_sha256_begin(&hash);
    while (done < size) {
        uint8_t piece[FWU_BLOCK_SIZE];
        uint32_t step = size - done < sizeof piece ? size - done : (uint32_t)sizeof piece;

        if (!fwu_read(window, done, piece, step)) {
            return false;
        }
        fwu_hash_add(&hash, piece, step);
        done += step;
    }
    fwu_hash_end(&hash, digest);
    return true;
}
#endif

bool fwu_holds(const struct fwu_window *window, uint32_t offset, const uint8_t *expected,
               uint32_t size)
{
    return fwu_match(window, offset, expected, size) == size;
}

bool fwu_program(const struct fwu_window *window, uint32_t offset, const uint8_t *data,
                 uint32_t size)
{
    return fwu_hal_program(window->address + offset, data, size);
}

void fwu_sector(const struct fwu_region *region, uint32_t index, uint32_t *start, uint32_t *size)
{
    const struct fwu_run *run = region->runs;

    *start = region->size;
    *size = 0;
    if (index >= region->sectors) {
        return;
    }
    *start = 0;
    while (index >= run->count) {
        *start += run->count * run->size;
        index -= run->count;
        run++;
    }
    *start += index * run->size;
    *size = run->size;
}

bool fwu_erase_sector(const struct fwu_window *window, uint32_t index)
{
    uint32_t start;
    uint32_t size;

    fwu_sector(window->region, index, &start, &size);
    return size > 0 && fwu_hal_erase(window->address + start);
}

bool fwu_erase_all(const struct fwu_window *window)
{
    uint32_t index;

    for (index = 0; index < window->region->sectors; index++) {
        if (!fwu_erase_sector(window, index)) {
            return false;
        }
    }
    return true;
}
