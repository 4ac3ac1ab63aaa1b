/* LD_PRELOAD: gives a pseudo-terminal what a serial port has and it has not.
 *
 * Linux clears PARENB and CS7 on a pty, and its modem lines answer ENOTTY. Clients that set 8E1 and
 * read it back, or that pull DTR and RTS, give up there. This remembers character format and lines
 * of each descriptor, and tells nobody but $PTY_SHIM_LINES: a file to which every change of the two
 * lines is appended, as "DTR 1" or "RTS 0". With that file it also has the low-latency flag of a
 * serial driver (TIOCSSERIAL), and appends "LOW_LATENCY 1".
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/serial.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#define FILES 1024
#define FORMAT (PARENB | PARODD | CSIZE | CSTOPB)

static struct {
    int known;
    int opened;
    tcflag_t format;
    int lines;
    int flags;
} ports[FILES];

static int is_pty(int fd)
{
    char name[64];
    return fd >= 0 && fd < FILES && ttyname_r(fd, name, sizeof name) == 0 &&
           strncmp(name, "/dev/pts/", 9) == 0;
}

static void tell(const char *line, int level)
{
    const char *path = getenv("PTY_SHIM_LINES");
    char text[24];
    int size, fd;
    if (!path || (fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600)) < 0)
        return;
    size = snprintf(text, sizeof text, "%s %d\n", line, level);
    if (write(fd, text, size) != size)
        perror("pty_shim");
    close(fd);
}

static void set_lines(int fd, int lines)
{
    int changed = ports[fd].lines ^ lines;
    ports[fd].lines = lines;
    if (changed & TIOCM_DTR)
        tell("DTR", !!(lines & TIOCM_DTR));
    if (changed & TIOCM_RTS)
        tell("RTS", !!(lines & TIOCM_RTS));
}

/* The kernel asserts both when a serial port is opened. */
static void open_lines(int fd)
{
    if (ports[fd].opened)
        return;
    ports[fd].opened = 1;
    set_lines(fd, TIOCM_DTR | TIOCM_RTS);
}

static int serial_flags(int fd, unsigned long request, struct serial_struct *serial)
{
    if (request == TIOCGSERIAL) {
        memset(serial, 0, sizeof *serial);
        serial->flags = ports[fd].flags;
        return 0;
    }
    if ((ports[fd].flags ^ serial->flags) & ASYNC_LOW_LATENCY)
        tell("LOW_LATENCY", !!(serial->flags & ASYNC_LOW_LATENCY));
    ports[fd].flags = serial->flags;
    return 0;
}

int close(int fd)
{
    static int (*next)(int);
    if (!next)
        next = dlsym(RTLD_NEXT, "close");
    if (fd >= 0 && fd < FILES)
        memset(&ports[fd], 0, sizeof ports[fd]);
    return next(fd);
}

int tcsetattr(int fd, int when, const struct termios *wanted)
{
    static int (*next)(int, int, const struct termios *);
    struct termios passed = *wanted;
    if (!next)
        next = dlsym(RTLD_NEXT, "tcsetattr");
    if (!is_pty(fd))
        return next(fd, when, wanted);
    ports[fd].known = 1;
    ports[fd].format = wanted->c_cflag & FORMAT;
    passed.c_cflag = (passed.c_cflag & ~FORMAT) | CS8;
    next(fd, when, &passed); /* EINVAL where nothing that a pty knows has changed */
    return 0;
}

int tcgetattr(int fd, struct termios *found)
{
    static int (*next)(int, struct termios *);
    int result;
    if (!next)
        next = dlsym(RTLD_NEXT, "tcgetattr");
    result = next(fd, found);
    if (result == 0 && is_pty(fd) && ports[fd].known)
        found->c_cflag = (found->c_cflag & ~FORMAT) | ports[fd].format;
    return result;
}

int ioctl(int fd, unsigned long request, ...)
{
    static int (*next)(int, unsigned long, ...);
    void *argument;
    va_list rest;
    va_start(rest, request);
    argument = va_arg(rest, void *);
    va_end(rest);
    if (!next)
        next = dlsym(RTLD_NEXT, "ioctl");
    switch (request) {
    case TIOCGSERIAL:
    case TIOCSSERIAL:
        if (getenv("PTY_SHIM_LINES") && is_pty(fd))
            return serial_flags(fd, request, argument);
        return next(fd, request, argument);
    case TIOCMGET:
    case TIOCMSET:
    case TIOCMBIS:
    case TIOCMBIC:
        if (is_pty(fd))
            break;
        return next(fd, request, argument);
    default:
        return next(fd, request, argument);
    }
    open_lines(fd);
    switch (request) {
    case TIOCMGET:
        *(int *)argument = ports[fd].lines | TIOCM_CTS | TIOCM_DSR | TIOCM_CAR;
        break;
    case TIOCMSET:
        set_lines(fd, *(int *)argument);
        break;
    case TIOCMBIS:
        set_lines(fd, ports[fd].lines | *(int *)argument);
        break;
    case TIOCMBIC:
        set_lines(fd, ports[fd].lines & ~*(int *)argument);
        break;
    }
    return 0;
}
