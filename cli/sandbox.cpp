#include "cli/sandbox.h"

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <span>
#include <stdexcept>

#include <fcntl.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <fmt/format.h>

#include "cli/descriptor_store.h"
#include "cli/handover_carrier.h"
#include "cli/keeper.h"
#include "cli/loop.h"
#include "cli/resolver.h"
#include "cli/runtime_state.h"
#include "cli/sequence_store.h"
#include "crypto/secret_memory.h"
#include "overlay/underlay.h"
#include "vswitch/device/impaired_device.h"
#include "vswitch/device/packet_socket.h"
#include "vswitch/device/tuntap.h"
#include "vswitch/early_drop.h"
#include "vswitch/fast_path.h"
#include "vswitch/netlink.h"
#include "vswitch/route_watch.h"
#include "vswitch/system.h"

namespace weft {

namespace {

// The C and C++ libraries': memory without code in it, locks, clocks, random numbers, threads that end, local
// time for the log, abort(). Every process has them.
constexpr std::array library_system_calls{
    SystemCall{SYS_mmap, 2, 0, PROT_EXEC},
    SystemCall{SYS_mprotect, 2, 0, PROT_EXEC},
    SystemCall{SYS_munmap},
    SystemCall{SYS_mremap},
    SystemCall{SYS_madvise},
    SystemCall{SYS_brk},
    SystemCall{SYS_futex},
    SystemCall{SYS_sched_yield},
    SystemCall{SYS_sched_getaffinity},
    SystemCall{SYS_clock_gettime},
    SystemCall{SYS_clock_getres},
    SystemCall{SYS_clock_nanosleep},
    SystemCall{SYS_gettimeofday},
    SystemCall{SYS_getrandom},
    SystemCall{SYS_getpid},
    SystemCall{SYS_fcntl, 1, F_DUPFD_CLOEXEC},
    SystemCall{SYS_gettid},
    SystemCall{SYS_rt_sigaction},
    SystemCall{SYS_rt_sigprocmask},
    SystemCall{SYS_rt_sigreturn},
    SystemCall{SYS_sigaltstack},
    SystemCall{SYS_restart_syscall},
    SystemCall{SYS_rseq},
    SystemCall{SYS_set_robust_list},
    SystemCall{SYS_openat, 2, O_RDONLY, O_ACCMODE | O_CREAT | O_TRUNC},
    SystemCall{SYS_newfstatat},
    SystemCall{SYS_read},
    SystemCall{SYS_lseek},
    SystemCall{SYS_write},
    SystemCall{SYS_pwrite64},
    SystemCall{SYS_close},
    SystemCall{SYS_exit},
    SystemCall{SYS_exit_group},
};

// sd_notify(3): a datagram to the service manager, with credentials if real and effective ones differ.
constexpr std::array notify_system_calls{
    SystemCall{SYS_getuid},
    SystemCall{SYS_geteuid},
    SystemCall{SYS_getgid},
    SystemCall{SYS_getegid},
    SystemCall{SYS_socket, 0, AF_UNIX},
    SystemCall{SYS_getsockopt},
    SystemCall{SYS_setsockopt, 1, SOL_SOCKET},
    SystemCall{SYS_connect},
    SystemCall{SYS_sendmsg},
    SystemCall{SYS_close},
};

class Filter {
  public:
    Filter() : context_(::seccomp_init(SCMP_ACT_KILL_PROCESS)) {
        if (!context_) throw std::runtime_error("preparing the system call filter: out of memory");
        check(::seccomp_attr_set(context_.get(), SCMP_FLTATR_CTL_TSYNC, 1), "prepare");
        check(::seccomp_attr_set(context_.get(), SCMP_FLTATR_CTL_LOG, 1), "prepare");
    }

    void allow(std::span<const SystemCall> calls) {
        for (const SystemCall& call : calls) {
            if (call.argument == SystemCall::any) {
                add(::seccomp_rule_add(context_.get(), SCMP_ACT_ALLOW, call.number, 0));
            } else {
                add(::seccomp_rule_add(context_.get(), SCMP_ACT_ALLOW, call.number, 1, condition(call)));
            }
        }
    }

    void allow(std::span<const int> numbers) {
        for (const int number : numbers) add(::seccomp_rule_add(context_.get(), SCMP_ACT_ALLOW, number, 0));
    }

    // With an error for the caller rather than the end: where a library asks for more than it needs.
    void refuse(const SystemCall& call, int error) {
        add(::seccomp_rule_add(context_.get(), SCMP_ACT_ERRNO(static_cast<std::uint32_t>(error)), call.number,
                               1, condition(call)));
    }

    void load() { check(::seccomp_load(context_.get()), "load"); }

  private:
    struct Release {
        void operator()(void* context) const noexcept { ::seccomp_release(context); }
    };

    static scmp_arg_cmp condition(const SystemCall& call) noexcept {
        return {call.argument, SCMP_CMP_MASKED_EQ, call.mask, call.value};
    }

    static void add(int status) {
        if (status != -EEXIST) check(status, "add a call to");  // two parts may need the same one
    }

    static void check(int status, const char* attempted) {
        if (status == 0) return;
        throw_system_error(fmt::format("cannot {} the system call filter", attempted), -status,
                           "the kernel needs CONFIG_SECCOMP_FILTER");
    }

    std::unique_ptr<void, Release> context_;
};

}  // namespace

void enter_sandbox(const SandboxOptions& options) {
    if constexpr (!has_sandbox) return;
    Filter filter;
    filter.allow(library_system_calls);
    // abort(), in this process alone.
    filter.allow(std::array{SystemCall{SYS_tgkill, 0, static_cast<std::uint64_t>(::getpid())}});
    if (std::getenv("NOTIFY_SOCKET") != nullptr) {  // NOLINT(concurrency-mt-unsafe)
        filter.allow(notify_system_calls);
        filter.allow(descriptor_store_system_calls);
    }
    filter.allow(handover_carrier_system_calls);
    filter.allow(secret_memory_system_calls);
    filter.allow(tuntap_system_calls);
    filter.allow(packet_socket_system_calls);
    filter.allow(impaired_device_system_calls);
    filter.allow(netlink_system_calls);
    filter.allow(route_watch_system_calls);
    filter.allow(underlay_system_calls);
    filter.allow(fast_path_system_calls);
    filter.allow(loop_system_calls);
    filter.allow(keeper_system_calls);
    filter.allow(runtime_state_system_calls);
    if (options.drops_early) filter.allow(early_drop_system_calls);
    if (options.resolves_names) filter.allow(resolver_system_calls);
    if (options.writes_files) filter.allow(sequence_store_system_calls);
    // A name service that was not loaded before the filter: getaddrinfo(3) goes on to the next one.
    filter.refuse({SYS_mmap, 2, PROT_EXEC, PROT_EXEC}, EACCES);
    filter.load();
}

}  // namespace weft
