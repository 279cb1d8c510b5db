#include "tests/support/namespace_fixture.h"

#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <stdexcept>
#include <thread>

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vswitch/netns.h"
#include "vswitch/system.h"

namespace weft::test {

namespace {

bool write_file(const char* path, const std::string& text) {
    std::ofstream file{path};
    file << text << std::flush;
    return file.good();
}

bool become_root_of_user_namespace() {
    const auto user = std::to_string(::geteuid());
    const auto group = std::to_string(::getegid());
    return ::unshare(CLONE_NEWUSER) == 0 && write_file("/proc/self/setgroups", "deny") &&
           write_file("/proc/self/uid_map", "0 " + user + " 1") &&
           write_file("/proc/self/gid_map", "0 " + group + " 1");
}

}  // namespace

std::optional<std::string> enter_sandbox() {
    if (::geteuid() != 0 && !become_root_of_user_namespace())
        return "neither root nor allowed to make user namespaces";
    if (::unshare(CLONE_NEWNS | CLONE_NEWNET) != 0) return "not allowed to make network namespaces";
    if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        ::mount("tmpfs", "/run", "tmpfs", 0, "mode=755") != 0 || ::mkdir("/run/netns", 0755) != 0) {
        return "not allowed to mount a /run of its own";
    }
    const Descriptor tun{::open("/dev/net/tun", O_RDWR | O_CLOEXEC)};
    if (!tun) return "/dev/net/tun cannot be opened";
    if (std::system("ip link set lo up") != 0)
        return "the command 'ip' does not work here";  // NOLINT(cert-env33-c)
    return std::nullopt;
}

void run(const std::string& command) {
    if (std::system(command.c_str()) != 0)
        throw std::runtime_error("failed: " + command);  // NOLINT(cert-env33-c)
}

NetworkNamespace::NetworkNamespace(std::string name) : name_(std::move(name)), path_("/run/netns/" + name_) {
    const Descriptor mount_point{::open(path_.c_str(), O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0444)};
    if (!mount_point) throw_system_error("cannot create " + path_, errno);
    bool made = false;
    // A thread of its own, as it stays in the new namespace.
    std::thread maker([&] {
        made = ::unshare(CLONE_NEWNET) == 0 &&
               ::mount("/proc/thread-self/ns/net", path_.c_str(), nullptr, MS_BIND, nullptr) == 0;
    });
    maker.join();
    if (!made) throw std::runtime_error("cannot make the network namespace " + name_);
    run("ip link set lo up");
}

NetworkNamespace::~NetworkNamespace() {
    ::umount2(path_.c_str(), MNT_DETACH);
    ::unlink(path_.c_str());
}

void NetworkNamespace::run(const std::string& command) const {
    enter([&] { test::run(command); });
}

void NetworkNamespace::enter(const std::function<void()>& work) const {
    in_namespace(name_, work);
}

}  // namespace weft::test
