/* Makes syncs as slow as those of a given disk: loaded with LD_PRELOAD before the bench and the shop.
 * The real sync is still done. Syncs of several files at once take as long as one: the block layer merges the flushes
 * that wait (Linux, block/blk-flush.c), and the file system their journal commits. */
#include <errno.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static int slowly(long call, int fd) {
    const char *text = getenv("SLOW_DISK_SYNC_US");
    long micros = text ? atol(text) : 0;
    struct timespec end;
    clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_nsec += (micros % 1000000) * 1000;
    end.tv_sec += micros / 1000000 + end.tv_nsec / 1000000000;
    end.tv_nsec %= 1000000000;
    int result = (int)syscall(call, fd);
    int error = errno;
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &end, NULL) == EINTR) {
    }
    errno = error;
    return result;
}

int fdatasync(int fd) { return slowly(SYS_fdatasync, fd); }

int fsync(int fd) { return slowly(SYS_fsync, fd); }
