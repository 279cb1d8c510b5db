#include "vswitch/netns.h"

#include <cerrno>
#include <cstdlib>

#include <fcntl.h>
#include <sched.h>

namespace weft {

namespace {

// Brings the thread back to the namespace that it came from. A thread lost in a foreign namespace would open
// the next sockets there, so there is nothing left to do but to stop.
class Return {
  public:
    explicit Return(Descriptor home) noexcept : home_(std::move(home)) {}

    Return(const Return&) = delete;
    Return& operator=(const Return&) = delete;

    ~Return() {
        if (::setns(home_.get(), CLONE_NEWNET) != 0) std::abort();
    }

  private:
    Descriptor home_;
};

std::string cure_for_entering(int error) {
    if (error == EPERM) return "run as root or with CAP_SYS_ADMIN";
    if (error == EINVAL) return "this is not a network namespace";
    return {};
}

}  // namespace

Descriptor open_namespace(const std::string& name_or_path) {
    const bool is_path = name_or_path.starts_with('/');
    const std::string path = is_path ? name_or_path : "/run/netns/" + name_or_path;
    Descriptor target{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
    if (!target && errno == ENOENT) {
        const std::string cure =
            is_path ? "make it, or correct the path" : "make it (ip netns add " + name_or_path + ")";
        throw std::runtime_error("no network namespace " + name_or_path + " (" + path + "): " + cure);
    }
    if (!target)
        throw_system_error("cannot open network namespace " + name_or_path + " (" + path + ")", errno);
    return target;
}

void in_namespace(const std::optional<std::string>& name_or_path, const std::function<void()>& work) {
    if (!name_or_path) {
        work();
        return;
    }
    Descriptor home{::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)};
    if (!home) throw_system_error("cannot open /proc/thread-self/ns/net", errno, "mount /proc");
    const Descriptor target = open_namespace(*name_or_path);
    if (::setns(target.get(), CLONE_NEWNET) != 0) {
        const int error = errno;
        throw_system_error("cannot enter network namespace " + *name_or_path, error,
                           cure_for_entering(error));
    }
    const Return back{std::move(home)};
    work();
}

}  // namespace weft
