// A system call that a part of weft needs while the node runs, named beside the code that makes it: each
// header of such code ends with a list of them, and the filter (cli/sandbox.h) is the sum of the lists. What
// happens only while the node starts is in none: by then the filter is not there yet.
#pragma once

#include <cstdint>

#include <sys/syscall.h>

namespace weft {

// Where an architecture is too young to have a call, its C library makes the successor.
#ifdef SYS_rename
inline constexpr int sys_rename = SYS_rename;
inline constexpr int sys_unlink = SYS_unlink;
inline constexpr int sys_poll = SYS_poll;
inline constexpr int sys_epoll_wait = SYS_epoll_wait;
#else
inline constexpr int sys_rename = SYS_renameat;
inline constexpr int sys_unlink = SYS_unlinkat;
inline constexpr int sys_poll = SYS_ppoll;
inline constexpr int sys_epoll_wait = SYS_epoll_pwait;
#endif

struct SystemCall {
    static constexpr unsigned any = 6;  // arguments are numbered from 0 to 5

    int number = 0;
    // Allowed only if this argument has this value in these bits; `any`: with whatever arguments.
    unsigned argument = any;
    std::uint64_t value = 0;
    std::uint64_t mask = 0xFFFFFFFF;  // int arguments: the upper half of the register is not theirs
};

}  // namespace weft
