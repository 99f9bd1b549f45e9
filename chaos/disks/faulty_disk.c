/* Makes the disk of one process fail, while it runs.
 *
 * Preloaded into a leader node (LD_PRELOAD). Calls that change files below one folder
 * fail with an errno, or take longer, as a control file says that is mapped into memory:
 * whoever writes to that file switches faults on and off, with no word to the process.
 * Everything else, reads too, goes the usual way. While nothing is switched on, a call
 * costs one look at memory.
 *
 * A failed call does nothing: what fsync should have written is not asked of the kernel.
 * Stores into mapped memory are not seen.
 *
 * The layout of the control file is that of chaos/disks/shim.py.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define MAGIC 0x524c4644u

enum kind { SYNC, WRITE, ALLOCATE, CHANGE, KINDS };

struct rule {
    int32_t error;      /* errno of the call; 0: it succeeds */
    uint32_t delay_ms;  /* before anything else */
    int32_t times;      /* how many calls are hit yet; negative: all */
    uint32_t hits;      /* how many were */
};

struct control {
    uint32_t magic;
    uint32_t reserved;
    struct rule rules[KINDS];
};

static struct control *control;
static char prefix[PATH_MAX], real_prefix[PATH_MAX];

static void complain(const char *what, const char *path) {
    fprintf(stderr, "faulty_disk: %s %s: %s\n", what, path, strerror(errno));
}

__attribute__((constructor)) static void begin(void) {
    const char *file = getenv("RAFTLEADER_CHAOS_DISK_CONTROL");
    const char *folder = getenv("RAFTLEADER_CHAOS_DISK_PREFIX");
    if (file == NULL || folder == NULL || strlen(folder) >= sizeof prefix) return;
    strcpy(prefix, folder);
    if (realpath(folder, real_prefix) == NULL) strcpy(real_prefix, folder);
    int fd = (int)syscall(SYS_openat, AT_FDCWD, file, O_RDWR | O_CLOEXEC, 0);
    if (fd < 0) {
        complain("cannot open", file);
        return;
    }
    struct stat found;
    if (fstat(fd, &found) == 0 && found.st_size >= (off_t)sizeof *control) {
        void *map = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (map == MAP_FAILED)
            complain("cannot map", file);
        else if (((struct control *)map)->magic == MAGIC)
            control = map;
    }
    syscall(SYS_close, fd);
}

static int is_below(const char *path, const char *folder) {
    size_t size = strlen(folder);
    return size > 0 && strncmp(path, folder, size) == 0 &&
           (path[size] == '/' || path[size] == '\0');
}

static int is_path_ours(const char *path) {
    return path != NULL && (is_below(path, prefix) || is_below(path, real_prefix));
}

static int is_descriptor_ours(int fd) {
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t size = readlink(link, path, sizeof path - 1);
    if (size <= 0) return 0;
    path[size] = '\0';
    return is_path_ours(path);
}

static int is_on(enum kind kind) {
    if (control == NULL) return 0;
    volatile struct rule *rule = &control->rules[kind];
    return (rule->error != 0 || rule->delay_ms != 0) && rule->times != 0;
}

/* Whether the call is to fail; errno is set then. */
static int is_hit(enum kind kind) {
    struct rule *rule = &control->rules[kind];
    if (__atomic_load_n(&rule->times, __ATOMIC_SEQ_CST) > 0 &&
        __atomic_fetch_sub(&rule->times, 1, __ATOMIC_SEQ_CST) <= 0) {
        __atomic_fetch_add(&rule->times, 1, __ATOMIC_SEQ_CST);
        return 0;
    }
    uint32_t delay_ms = rule->delay_ms;
    int32_t error = rule->error;
    __atomic_fetch_add(&rule->hits, 1, __ATOMIC_SEQ_CST);
    if (delay_ms != 0) {
        /* Not through the library: its clock may be faked by another preloaded one. */
        struct timespec left = {delay_ms / 1000, (long)(delay_ms % 1000) * 1000000};
        while (syscall(SYS_nanosleep, &left, &left) != 0 && errno == EINTR) continue;
    }
    if (error == 0) return 0;
    errno = error;
    return 1;
}

static int fails(enum kind kind, int fd) {
    if (!is_on(kind)) return 0;
    int before = errno;
    int hit = is_descriptor_ours(fd) && is_hit(kind);
    if (!hit) errno = before;
    return hit;
}

static int path_fails(enum kind kind, const char *path) {
    if (!is_on(kind)) return 0;
    int before = errno;
    int hit = is_path_ours(path) && is_hit(kind);
    if (!hit) errno = before;
    return hit;
}

#define REAL(result, name, ...)                          \
    static result (*real)(__VA_ARGS__);                  \
    if (real == NULL) real = dlsym(RTLD_NEXT, #name)

#define ON_DESCRIPTOR(kind, name)                        \
    int name(int fd) {                                   \
        REAL(int, name, int);                            \
        return fails(kind, fd) ? -1 : real(fd);          \
    }

ON_DESCRIPTOR(SYNC, fsync)
ON_DESCRIPTOR(SYNC, fdatasync)
ON_DESCRIPTOR(SYNC, syncfs)

ssize_t write(int fd, const void *data, size_t size) {
    REAL(ssize_t, write, int, const void *, size_t);
    return fails(WRITE, fd) ? -1 : real(fd, data, size);
}

ssize_t writev(int fd, const struct iovec *pieces, int count) {
    REAL(ssize_t, writev, int, const struct iovec *, int);
    return fails(WRITE, fd) ? -1 : real(fd, pieces, count);
}

#define PWRITE(name, offset_type)                                       \
    ssize_t name(int fd, const void *data, size_t size, offset_type at) { \
        REAL(ssize_t, name, int, const void *, size_t, offset_type);    \
        return fails(WRITE, fd) ? -1 : real(fd, data, size, at);        \
    }

PWRITE(pwrite, off_t)
PWRITE(pwrite64, off64_t)

#define PWRITEV(name, offset_type)                                              \
    ssize_t name(int fd, const struct iovec *pieces, int count, offset_type at) { \
        REAL(ssize_t, name, int, const struct iovec *, int, offset_type);       \
        return fails(WRITE, fd) ? -1 : real(fd, pieces, count, at);             \
    }

PWRITEV(pwritev, off_t)
PWRITEV(pwritev64, off64_t)

#define FALLOCATE(name, offset_type)                                    \
    int name(int fd, int mode, offset_type at, offset_type size) {      \
        REAL(int, name, int, int, offset_type, offset_type);            \
        return fails(ALLOCATE, fd) ? -1 : real(fd, mode, at, size);     \
    }

FALLOCATE(fallocate, off_t)
FALLOCATE(fallocate64, off64_t)

/* These return the error. */
#define POSIX_FALLOCATE(name, offset_type)                              \
    int name(int fd, offset_type at, offset_type size) {                \
        REAL(int, name, int, offset_type, offset_type);                 \
        return fails(ALLOCATE, fd) ? errno : real(fd, at, size);        \
    }

POSIX_FALLOCATE(posix_fallocate, off_t)
POSIX_FALLOCATE(posix_fallocate64, off64_t)

#define FTRUNCATE(name, offset_type)                                    \
    int name(int fd, offset_type size) {                                \
        REAL(int, name, int, offset_type);                              \
        return fails(CHANGE, fd) ? -1 : real(fd, size);                 \
    }

FTRUNCATE(ftruncate, off_t)
FTRUNCATE(ftruncate64, off64_t)

static int is_for_writing(int flags) {
    return (flags & O_ACCMODE) != O_RDONLY || (flags & (O_CREAT | O_TRUNC)) != 0;
}

#define MODE_OF(flags, mode)                             \
    mode_t mode = 0;                                     \
    if ((flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE) { \
        va_list rest;                                    \
        va_start(rest, flags);                           \
        mode = va_arg(rest, mode_t);                     \
        va_end(rest);                                    \
    }

#define OPEN(name)                                                          \
    int name(const char *path, int flags, ...) {                            \
        REAL(int, name, const char *, int, ...);                            \
        MODE_OF(flags, mode)                                                \
        if (is_for_writing(flags) && path_fails(CHANGE, path)) return -1;   \
        return real(path, flags, mode);                                     \
    }

OPEN(open)
OPEN(open64)

#define OPENAT(name)                                                        \
    int name(int folder, const char *path, int flags, ...) {                \
        REAL(int, name, int, const char *, int, ...);                       \
        MODE_OF(flags, mode)                                                \
        if (is_for_writing(flags) && path_fails(CHANGE, path)) return -1;   \
        return real(folder, path, flags, mode);                             \
    }

OPENAT(openat)
OPENAT(openat64)

int rename(const char *from, const char *to) {
    REAL(int, rename, const char *, const char *);
    return path_fails(CHANGE, to) ? -1 : real(from, to);
}

int unlink(const char *path) {
    REAL(int, unlink, const char *);
    return path_fails(CHANGE, path) ? -1 : real(path);
}

int mkdir(const char *path, mode_t mode) {
    REAL(int, mkdir, const char *, mode_t);
    return path_fails(CHANGE, path) ? -1 : real(path, mode);
}
