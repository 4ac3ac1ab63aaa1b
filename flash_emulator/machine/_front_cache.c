/*
 * What the register front has answered before, answered again without Python. See front_cache.py.
 *
 * unicorn calls these functions for accesses to the page of FLASH registers and for stores to
 * flash. They know nothing of any register: in each state of the front they find, by the access,
 * the state behind it and what it gives, as Python has entered them; and units of flash that take
 * shape in plain stores are kept until Python takes them all at once. What they do not find is
 * Python's. Nothing here touches an object of Python's, so the GIL is not asked for.
 */
#define Py_LIMITED_API 0x030B0000
#include <Python.h>

#include <stdint.h>
#include <string.h>

#define STATES 1024u
#define TRANSITIONS 8192u /* a power of two */
#define BANKS 2u
#define KEPT 65536u
#define LARGEST_UNIT 128u
#define NO_PLAN (-1)

typedef uint64_t (*load_function)(void *engine, uint64_t offset, unsigned width, void *data);
typedef void (*store_function)(void *engine, uint64_t offset, unsigned width, uint64_t value,
                               void *data);

typedef struct {
    uint32_t is_used;
    uint32_t state;
    uint32_t access; /* offset * 2, and 1 for a write */
    uint32_t value;  /* that is written */
    uint32_t next;   /* state */
    uint32_t gives;  /* what is read */
} transition;

/* How stores are programmed in a state: so many at a time, one behind the other, make a unit. */
typedef struct {
    int32_t after; /* the state when a unit is programmed; NO_PLAN: Python knows */
    uint16_t width;
    uint16_t unit;
} plan;

typedef struct {
    void *engine;
    int (*read_register)(void *engine, int number, void *value);
    int (*write_register)(void *engine, int number, const void *value);
    const uint64_t *counted;
    const uint64_t *marked; /* equal to *counted within the block of an IT instruction */
    load_function load;          /* Python's, of registers */
    store_function store;        /* the same */
    store_function store_flash;  /* Python's, of flash */
    int (*resume)(void);         /* Python sets is_ours, or cannot */
    void (*program)(void);       /* a unit is complete that does not follow what is kept */
    int32_t xpsr;                /* number of the register; 0: the core has no IT blocks */
    int32_t is_ours;             /* state, room and what is kept are as they should be */
    int32_t state;               /* of the front; below 0: Python has to look */
    uint32_t bank_size;
    uint32_t room_at;            /* offset in flash of the unit that may be kept next */
    uint32_t room;               /* how many bytes may */
    uint32_t kept;               /* bytes of units in data, up to room_at */
    uint32_t begun;              /* bytes of a unit that is not complete, behind them */
    uint32_t unit_at;            /* where that begins */
    uint32_t width;              /* of its stores */
    uint32_t count;              /* transitions */
    uint32_t second_bank;        /* where it begins; there may be a hole before it */
    plan plans[BANKS][STATES];
    transition transitions[TRANSITIONS];
    uint8_t data[KEPT + LARGEST_UNIT];
} front_cache;

static transition *find(front_cache *cache, uint32_t state, uint32_t access, uint32_t value)
{
    uint32_t hash = state * 0x9E3779B1u ^ access * 0x85EBCA77u ^ value * 0xC2B2AE3Du;

    for (uint32_t at = hash ^ hash >> 15;; at++) {
        transition *found = &cache->transitions[at & (TRANSITIONS - 1u)];

        if (!found->is_used || (found->state == state && found->access == access &&
                                found->value == value)) {
            return found;
        }
    }
}

/* Enter a transition. 0: there is no room. */
static int enter(front_cache *cache, uint32_t state, uint32_t access, uint32_t value,
                 uint32_t next, uint32_t gives)
{
    transition *place = find(cache, state, access, value);

    if (!place->is_used && cache->count >= TRANSITIONS / 2u) {
        return 0;
    }
    cache->count += !place->is_used;
    *place = (transition){1u, state, access, value, next, gives};
    return 1;
}

/* Engine.leave_hook: a hook that an access calls leaves the bits of its IT block set. */
static void leave_it_block(front_cache *cache)
{
    uint64_t xpsr = 0u;

    if (cache->xpsr == 0 || *cache->counted != *cache->marked) {
        return;
    }
    cache->read_register(cache->engine, cache->xpsr, &xpsr);
    if (xpsr & 0x0600FC00u) {
        xpsr &= ~(uint64_t)0x0600FC00u;
        cache->write_register(cache->engine, cache->xpsr, &xpsr);
    }
}

/* The transition of an access to a register; NULL: Python's. */
static const transition *known(front_cache *cache, uint64_t offset, unsigned width, int is_write,
                               uint64_t value)
{
    if (width != 4u || offset & 3u || (!cache->is_ours && !cache->resume()) || cache->begun) {
        return NULL;
    }
    const transition *found = find(cache, (uint32_t)cache->state,
                                   (uint32_t)offset * 2u + (uint32_t)is_write, (uint32_t)value);
    return found->is_used ? found : NULL;
}

static uint64_t load(void *engine, uint64_t offset, unsigned width, void *data)
{
    front_cache *cache = data;
    const transition *found = known(cache, offset, width, 0, 0u);

    if (found == NULL) {
        return cache->load(engine, offset, width, NULL);
    }
    cache->state = (int32_t)found->next;
    leave_it_block(cache);
    return found->gives;
}

static void store(void *engine, uint64_t offset, unsigned width, uint64_t value, void *data)
{
    front_cache *cache = data;
    const transition *found = known(cache, offset, width, 1, value & 0xFFFFFFFFu);

    if (found == NULL) {
        cache->store(engine, offset, width, value, NULL);
        return;
    }
    cache->state = (int32_t)found->next;
    leave_it_block(cache);
}

/* Whether the store is the next one of a unit, as the plan of the state has it. */
static int follows(front_cache *cache, const plan *how, uint32_t offset, unsigned width)
{
    if (how->after == NO_PLAN || width != how->width) {
        return 0;
    }
    if (cache->begun == 0u) {
        return offset % how->unit == 0u;
    }
    return offset == cache->unit_at + cache->begun;
}

static void store_flash(void *engine, uint64_t offset, unsigned width, uint64_t value, void *data)
{
    front_cache *cache = data;
    uint32_t at = (uint32_t)offset, bank = at < cache->bank_size ? 0u : 1u;

    if ((bank == 1u && at < cache->second_bank) || (!cache->is_ours && !cache->resume())) {
        cache->store_flash(engine, offset, width, value, NULL);
        return;
    }
    const plan *how = &cache->plans[bank][cache->state];

    if (!follows(cache, how, at, width)) {
        cache->store_flash(engine, offset, width, value, NULL);
        return;
    }
    if (cache->begun == 0u) {
        cache->unit_at = at;
        cache->width = width;
    }
    for (unsigned byte = 0u; byte < width; byte++) {
        cache->data[cache->kept + cache->begun++] = (uint8_t)(value >> 8u * byte);
    }
    if (cache->begun == how->unit) {
        if (cache->unit_at != cache->room_at || cache->room < how->unit) {
            cache->program();
        } else {
            cache->state = how->after;
            cache->begun = 0u;
            cache->kept += how->unit;
            cache->room_at += how->unit;
            cache->room -= how->unit;
        }
    }
    leave_it_block(cache);
}

static int add(PyObject *module, const char *name, const void *function)
{
    PyObject *address = PyLong_FromVoidPtr((void *)(uintptr_t)function);

    if (address == NULL || PyModule_AddObject(module, name, address) < 0) {
        Py_XDECREF(address);
        return -1;
    }
    return 0;
}

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "_front_cache", "Addresses of the functions for front_cache.py.", -1,
    NULL, NULL, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit__front_cache(void)
{
    PyObject *module = PyModule_Create(&definition);

    if (module == NULL) {
        return NULL;
    }
    if (add(module, "ENTER", (const void *)(uintptr_t)enter) < 0 ||
        add(module, "LOAD", (const void *)(uintptr_t)load) < 0 ||
        add(module, "STORE", (const void *)(uintptr_t)store) < 0 ||
        add(module, "STORE_FLASH", (const void *)(uintptr_t)store_flash) < 0 ||
        PyModule_AddIntConstant(module, "SIZE", (long)sizeof(front_cache)) < 0) {
        Py_DECREF(module);
        return NULL;
    }
    return module;
}
