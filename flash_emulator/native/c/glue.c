/*
 * Between a bootloader and the Python that emulates its flash: linked to it, compiled without the
 * counter that its code has in every basic block.
 *
 * A boot may begin while another waits in one of its flash calls: the search boots what a cut there
 * would leave. So there is a stack of levels; each puts back the data of the one below it. A boot
 * is left by longjmp, and only from here, when the hook has returned: no frame of Python is passed.
 *
 * What ends it that never comes to rest: a count of basic blocks; and since compilers count none in an
 * empty loop, a timer of the thread's CPU time that finds the count as it was.
 */
#define _GNU_SOURCE
#include "glue.h"
#include "mcu_flash.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#if defined(__linux__)
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>
#endif

/* Not put back at a boot. */
#define KEEP __attribute__((section("mcu_flash_keep")))

struct level {
    jmp_buf env;
    struct level *below;
    struct glue_end *end;
    uint64_t blocks;        /* of the level below */
    uintptr_t stack_limit;  /* of the level below */
    unsigned char saved[];  /* data of the level below */
};

static KEEP struct level *volatile current = NULL;
static KEEP volatile int in_c = 0; /* the bootloader runs, and not a hook of it */
static KEEP uint64_t blocks_left = UINT64_MAX; /* also before any boot, for constructors */
static KEEP uintptr_t stack_limit = 0;
static KEEP volatile uintptr_t passed_by = 0; /* who has passed the pointer that is followed right now */
static KEEP uint64_t asked = 0; /* calls of hooks */

static KEEP struct glue_hooks hooks = {0};
static KEEP struct glue_range *ranges = NULL;
static KEEP size_t range_count = 0;
static KEEP size_t data_size = 0;
static KEEP unsigned char *initial = NULL;

extern int boot(void) __attribute__((weak));
extern const char __ehdr_start[] __attribute__((visibility("hidden")));

uintptr_t glue_base(void)
{
    return (uintptr_t)__ehdr_start;
}

int32_t glue_has_boot(void)
{
    return boot != NULL;
}

/* --- data */

static void save(unsigned char *to)
{
    for (size_t i = 0; i < range_count; i++) {
        memcpy(to, (const void *)ranges[i].at, ranges[i].size);
        to += ranges[i].size;
    }
}

static void put_back(const unsigned char *from)
{
    for (size_t i = 0; i < range_count; i++) {
        memcpy((void *)ranges[i].at, from, ranges[i].size);
        from += ranges[i].size;
    }
}

/* Once, before the first boot: data as it was loaded. */
int32_t glue_set_up(struct glue_range *given, size_t count, struct glue_hooks *wanted)
{
    data_size = 0;
    for (size_t i = 0; i < count; i++) {
        data_size += given[i].size;
    }
    ranges = malloc((count + 1) * sizeof *ranges);
    initial = malloc(data_size + 1);
    if (ranges == NULL || initial == NULL) {
        return -1;
    }
    memcpy(ranges, given, count * sizeof *ranges);
    range_count = count;
    hooks = *wanted;
    save(initial);
    return 0;
}

/* --- leaving */

__attribute__((noreturn)) static void leave(int ended, uintptr_t where)
{
    struct level *level = current;

    in_c = 0;
    passed_by = 0;
    level->end->ended = ended;
    level->end->where = where;
    _longjmp(level->env, 1);
}

#define CALLER ((uintptr_t)__builtin_return_address(0))

/* gcc and clang call it at the start of every basic block (-fsanitize-coverage=trace-pc). */
__attribute__((visibility("hidden"))) void __sanitizer_cov_trace_pc(void)
{
    if (blocks_left-- == 0u) {
        leave(GLUE_ENDLESS, CALLER);
    }
    if ((uintptr_t)__builtin_frame_address(0) < stack_limit) {
        leave(GLUE_DEEP, CALLER);
    }
}

/* What would end the whole process ends the boot; where the bootloader has its own, that is used. */

__attribute__((weak, noreturn)) void __assert_fail(const char *expression, const char *file,
                                                   unsigned line, const char *function)
{
    (void)function;
    current->end->text = (char *)expression;
    current->end->file = (char *)file;
    current->end->what = (int32_t)line;
    leave(GLUE_ASSERTED, CALLER);
}

__attribute__((weak, noreturn)) void __stack_chk_fail(void)
{
    leave(GLUE_SMASHED, CALLER);
}

__attribute__((weak, noreturn)) void abort(void)
{
    current->end->what = SIGABRT;
    leave(GLUE_CRASHED, CALLER);
}

__attribute__((weak, noreturn)) void exit(int code)
{
    current->end->what = code;
    leave(GLUE_EXITED, CALLER);
}

/* --- crashes, and loops that nothing counts */

#define SIGTICK (SIGRTMAX - 5)
#define TICK_NS 20000000
#define TICKS 5 /* with nothing new between them */

static const int crashes[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL};
#define CRASHES (sizeof crashes / sizeof *crashes)

static KEEP struct sigaction actions_before[CRASHES + 1] = {0};
static KEEP stack_t stack_before = {0};
static KEEP pthread_t thread = 0;
static KEEP unsigned char signal_stack[64 * 1024] = {0};

/* Behind the instruction, as a return address is. */
static uintptr_t place(const void *context)
{
#if defined(__linux__) && defined(__x86_64__)
    return (uintptr_t)((const ucontext_t *)context)->uc_mcontext.gregs[REG_RIP] + 1u;
#elif defined(__linux__) && defined(__aarch64__)
    return (uintptr_t)((const ucontext_t *)context)->uc_mcontext.pc + 1u;
#else
    (void)context;
    return 0;
#endif
}

static void crashed(int number, siginfo_t *info, void *context)
{
    if (in_c && info->si_code > 0 && pthread_equal(thread, pthread_self())) {
        current->end->what = number;
        current->end->address = (uintptr_t)info->si_addr;
        leave(GLUE_CRASHED, passed_by ? passed_by : place(context));
    }
    for (size_t i = 0; i < CRASHES; i++) { /* not the bootloader's: as if this were not here */
        if (crashes[i] == number) {
            sigaction(number, &actions_before[i], NULL);
        }
    }
    if (info->si_code <= 0) {
        raise(number); /* sent by someone: it does not come again by itself */
    }
}

static KEEP uint64_t blocks_seen = 0, asked_seen = 0;
static KEEP int idle_ticks = 0;

static void ticked(int number, siginfo_t *info, void *context)
{
    (void)number;
    (void)info;
    if (!in_c || !pthread_equal(thread, pthread_self()) || blocks_seen != blocks_left ||
        asked_seen != asked) {
        idle_ticks = 0;
    } else if (++idle_ticks == TICKS) {
        leave(GLUE_STUCK, place(context));
    }
    blocks_seen = blocks_left;
    asked_seen = asked;
}

static void handle(int number, void (*handler)(int, siginfo_t *, void *), struct sigaction *before)
{
    struct sigaction action = {0};

    action.sa_sigaction = handler;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER | SA_RESTART;
    sigemptyset(&action.sa_mask);
    sigaction(number, &action, before);
}

#if defined(__linux__)
static KEEP timer_t timer = 0;

static void start_timer(void)
{
    struct itimerspec often = {{0, TICK_NS}, {0, TICK_NS}};
    struct sigevent event = {0};

    handle(SIGTICK, ticked, &actions_before[CRASHES]);
    event.sigev_notify = SIGEV_THREAD_ID;
    event.sigev_signo = SIGTICK;
    event._sigev_un._tid = (pid_t)syscall(SYS_gettid);
    idle_ticks = 0;
    if (timer_create(CLOCK_THREAD_CPUTIME_ID, &event, &timer) == 0) {
        timer_settime(timer, 0, &often, NULL);
    }
}

static void stop_timer(void)
{
    timer_delete(timer);
    sigaction(SIGTICK, &actions_before[CRASHES], NULL);
}
#else
static void start_timer(void) {}
static void stop_timer(void) {}
#endif

static void watch(void)
{
    stack_t stack = {.ss_sp = signal_stack, .ss_size = sizeof signal_stack};

    thread = pthread_self();
    sigaltstack(&stack, &stack_before);
    for (size_t i = 0; i < CRASHES; i++) {
        handle(crashes[i], crashed, &actions_before[i]);
    }
    start_timer();
}

static void watch_no_more(void)
{
    stop_timer();
    for (size_t i = 0; i < CRASHES; i++) {
        sigaction(crashes[i], &actions_before[i], NULL);
    }
    sigaltstack(&stack_before, NULL);
}

/* --- a boot */

void glue_boot(uint64_t blocks, size_t stack, struct glue_end *end)
{
    struct level *below = current;
    struct level *const level = malloc(sizeof *level + (below ? data_size : 0u));

    memset(end, 0, sizeof *end);
    if (level == NULL) {
        end->ended = GLUE_NO_MEMORY;
        return;
    }
    *level = (struct level){.below = below, .end = end, .blocks = blocks_left,
                            .stack_limit = stack_limit};
    if (below != NULL) {
        save(level->saved);
    } else {
        watch();
    }
    put_back(initial);
    blocks_left = blocks;
    stack_limit = (uintptr_t)__builtin_frame_address(0) - stack;
    current = level;
    if (_setjmp(level->env) == 0) {
        in_c = 1;
        end->returned = boot();
        in_c = 0;
    }
    struct level *const over = current; /* again: a longjmp may have come between */

    current = over->below;
    blocks_left = over->blocks;
    stack_limit = over->stack_limit;
    if (current != NULL) {
        put_back(over->saved);
    } else {
        watch_no_more();
    }
    free(over);
}

/* --- what the bootloader calls */

/* Ends the boot where the hook says so. A call before boot() has nobody to go to. */
#define ASK(call)                                                                                 \
    uintptr_t from = CALLER;                                                                      \
    int32_t answer = GLUE_LEAVE;                                                                  \
    if (current == NULL) {                                                                        \
        return 0;                                                                                 \
    }                                                                                             \
    in_c = 0;                                                                                     \
    asked++;                                                                                      \
    answer = hooks.call;                                                                          \
    if (answer == GLUE_LEAVE) {                                                                   \
        leave(GLUE_LEFT, from);                                                                   \
    }                                                                                             \
    in_c = 1

/* A pointer of the bootloader's that leads nowhere is to fail here, not in the hook. */
static void touch(uintptr_t by, const void *data, uint32_t size)
{
    const volatile unsigned char *bytes = data;

    passed_by = by;
    for (uint32_t at = 0; at < size; at += size - at > 4096u ? 4096u : size - at) {
        (void)bytes[at];
    }
    if (size > 0u) {
        (void)bytes[size - 1u];
    }
    passed_by = 0;
}

static void touch_name(uintptr_t by, const char *name)
{
    passed_by = by;
    touch(by, name, (uint32_t)strlen(name) + 1u);
}

static void give(uintptr_t by, void *into, const void *data, uint32_t size)
{
    passed_by = by;
    memcpy(into, data, size);
    passed_by = 0;
}

int flash_read(uint32_t address, void *into, uint32_t size)
{
    void *data = NULL;
    ASK(read(address, size, &data));
    if (answer == FLASH_OK && size > 0u) {
        give(CALLER, into, data, size);
    }
    return answer;
}

int flash_program(uint32_t address, const void *data, uint32_t size)
{
    touch(CALLER, data, size);
    ASK(program(address, (void *)data, size));
    return answer;
}

int flash_erase(uint32_t address)
{
    ASK(erase(address));
    return answer;
}

uint32_t flash_match(uint32_t address, const void *expected, uint32_t size)
{
    uint32_t same = 0;
    touch(CALLER, expected, size);
    ASK(match(address, (void *)expected, size, &same));
    return same;
}

int option_read(const char *name, uint32_t *value)
{
    uint32_t found = 0;
    touch_name(CALLER, name);
    ASK(option_read((char *)name, &found));
    if (answer == FLASH_OK) {
        give(CALLER, value, &found, sizeof found);
    }
    return answer;
}

int option_program(const char *name, uint32_t value)
{
    touch_name(CALLER, name);
    ASK(option_program((char *)name, value));
    return answer;
}

int flash_map_bank(uint32_t bank)
{
    ASK(map_bank(bank));
    return answer;
}

static int restart(uint32_t loads_options)
{
    ASK(reset(loads_options));
    return answer;
}

void option_launch(void)
{
    restart(1u);
    leave(GLUE_RESET, CALLER);
}

void mcu_reset(void)
{
    restart(0u);
    leave(GLUE_RESET, CALLER);
}
