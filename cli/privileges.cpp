#include "cli/privileges.h"

#include <array>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <set>
#include <stdexcept>

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <fmt/format.h>

#include "cli/sandbox.h"
#include "vswitch/system.h"

namespace weft {

namespace {

// Of permitted and effective; inheritable is always empty. Read by the signal handler.
std::atomic<std::uint32_t> kept_capabilities = 0;
std::atomic<std::uint32_t> kept_bounds = 0;  // what a program can have that the process becomes
std::atomic<unsigned> answered = 0;
std::atomic<int> first_error = 0;

void remember(int error) noexcept {
    int none = 0;
    first_error.compare_exchange_strong(none, error);
}

// Everything here may be called in a signal handler.
void restrict_this_thread() noexcept {
    ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    // Fails without CAP_SETPCAP: then nothing has a bounding set to draw from but a program with file
    // capabilities, which no_new_privs forbids.
    for (unsigned capability = 0; ::prctl(PR_CAPBSET_READ, capability, 0, 0, 0) >= 0; ++capability) {
        const bool is_kept = capability < 32 && (kept_bounds >> capability & 1U) != 0;
        if (!is_kept) ::prctl(PR_CAPBSET_DROP, capability, 0, 0, 0);
    }
    __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
    std::array<__user_cap_data_struct, 2> data{};
    if (::syscall(SYS_capget, &header, data.data()) != 0) return remember(errno);
    const std::uint32_t kept = kept_capabilities;
    data[0] = {
        .effective = data[0].permitted & kept, .permitted = data[0].permitted & kept, .inheritable = 0};
    data[1] = {};
    if (::syscall(SYS_capset, &header, data.data()) != 0) return remember(errno);
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) remember(errno);
}

void on_signal(int /*number*/) noexcept {
    const int error = errno;
    restrict_this_thread();
    ++answered;
    errno = error;
}

std::set<pid_t> threads() {
    std::set<pid_t> found;
    for (const auto& entry : std::filesystem::directory_iterator{"/proc/self/task"})
        found.insert(static_cast<pid_t>(std::stol(entry.path().filename())));
    return found;
}

// No thread is being made meanwhile: they are all made by this one.
void restrict_all_threads(std::uint32_t kept) {
    const int number = SIGRTMAX;
    kept_capabilities = kept;
    first_error = 0;
    restrict_this_thread();

    struct sigaction action{};
    struct sigaction before{};
    action.sa_handler = &on_signal;
    action.sa_flags = SA_RESTART;
    ::sigaction(number, &action, &before);
    for (const pid_t thread : threads()) {
        if (thread == ::gettid()) continue;
        const unsigned expected = answered + 1;
        if (::syscall(SYS_tgkill, ::getpid(), thread, number) != 0) continue;  // it has ended
        while (answered != expected) ::sched_yield();
    }
    ::sigaction(number, &before, nullptr);
    if (first_error != 0) throw_system_error("cannot give up capabilities", first_error);
}

// With all threads: glibc tells them.
void become(const User& user) {
    const auto require = [&](int status) {
        if (status == 0) return;
        const int error = errno;
        throw_system_error("cannot become user " + user.name, error,
                           error == EPERM ? "start as root, or as that user" : "");
    };
    if (::geteuid() == user.uid && ::getuid() == user.uid && ::getegid() == user.gid && ::geteuid() != 0)
        return;
    const std::array groups{user.gid};
    require(::setgroups(0, groups.data()));
    require(::setresgid(user.gid, user.gid, user.gid));
    require(::setresuid(user.uid, user.uid, user.uid));
}

void require_writable(const std::string& folder) {
    if (::faccessat(AT_FDCWD, folder.c_str(), W_OK | X_OK, AT_EACCESS) == 0) return;
    const int error = errno;
    throw_system_error(fmt::format("cannot write into {} as the user that weftd has become", folder), error,
                       fmt::format("chown {} {}", ::geteuid(), folder));
}

}  // namespace

void protect_memory(bool core_dumps) noexcept {
    if (!core_dumps) {
        constexpr rlimit none{.rlim_cur = 0, .rlim_max = 0};
        ::setrlimit(RLIMIT_CORE, &none);
        if (has_sandbox) ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);  // LeakSanitizer traces
    }
    constexpr rlimit unlimited{.rlim_cur = RLIM_INFINITY, .rlim_max = RLIM_INFINITY};
    if (::setrlimit(RLIMIT_MEMLOCK, &unlimited) == 0) return;
    rlimit allowed{};
    if (::getrlimit(RLIMIT_MEMLOCK, &allowed) != 0) return;
    allowed.rlim_cur = allowed.rlim_max;
    ::setrlimit(RLIMIT_MEMLOCK, &allowed);
}

User find_user(const std::string& name_or_number) {
    std::uint32_t number = 0;
    const char* const end = name_or_number.data() + name_or_number.size();
    const auto parsed = std::from_chars(name_or_number.data(), end, number);
    const bool is_number =
        parsed.ec == std::errc{} && parsed.ptr == end && number != UINT32_MAX;  // (uid_t)-1 is none
    std::array<char, 16384> buffer{};
    passwd entry{};
    passwd* found = nullptr;
    if (is_number) {
        ::getpwuid_r(number, &entry, buffer.data(), buffer.size(), &found);
        return {name_or_number, number, found != nullptr ? found->pw_gid : number};
    }
    ::getpwnam_r(name_or_number.c_str(), &entry, buffer.data(), buffer.size(), &found);
    if (found == nullptr) {
        throw std::runtime_error(fmt::format(
            "there is no user {0}: make it (useradd --system {0}), or correct [node] user", name_or_number));
    }
    return {name_or_number, found->pw_uid, found->pw_gid};
}

// user_namespaces(7): a line for each range, of its first number inside, outside, and how many.
bool is_alone_in_user_namespace() {
    std::ifstream map("/proc/self/uid_map");
    std::uint64_t inside = 0;
    std::uint64_t outside = 0;
    std::uint64_t users = 0;
    if (!(map >> inside >> outside >> users) || users != 1) return false;
    return !(map >> inside);
}

std::optional<User> choose_user(const std::optional<std::string>& wanted) {
    if (is_alone_in_user_namespace()) return std::nullopt;
    if (wanted) return find_user(*wanted);
    if (::geteuid() != 0) return std::nullopt;
    try {
        return find_user("weft");
    } catch (const std::runtime_error&) {
        return std::nullopt;
    }
}

void prepare_folder(const std::string& path, const std::optional<User>& user) noexcept {
    constexpr mode_t only_ours = 0700;
    if (::mkdir(path.c_str(), only_ours) != 0 || !user) return;
    if (::chown(path.c_str(), user->uid, user->gid) != 0) ::rmdir(path.c_str());
}

void keep_capabilities(std::uint32_t kept) {
    kept_bounds = kept;
    restrict_all_threads(kept);
}

void pass_on_capabilities() {
    __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
    std::array<__user_cap_data_struct, 2> data{};
    if (::syscall(SYS_capget, &header, data.data()) != 0)
        throw_system_error("cannot ask for capabilities", errno);
    for (auto& half : data) half.inheritable = half.permitted;
    if (::syscall(SYS_capset, &header, data.data()) != 0)
        throw_system_error("cannot make capabilities inheritable", errno);
    for (unsigned number = 0; number < 64; ++number) {
        if ((data[number / 32].permitted >> (number % 32) & 1U) != 0)
            ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, number, 0, 0);
    }
}

void drop_privileges(const Unprivileged& wanted) {
    constexpr std::uint32_t to_become = 1U << CAP_SETUID | 1U << CAP_SETGID;
    restrict_all_threads(to_become);
    if (wanted.user) become(*wanted.user);
    restrict_all_threads(0);
    // A change of user has set it to what fs.suid_dumpable says.
    ::prctl(PR_SET_DUMPABLE, wanted.core_dumps || !has_sandbox ? 1 : 0, 0, 0, 0);
    for (const std::string& folder : wanted.folders) require_writable(folder);
}

}  // namespace weft
