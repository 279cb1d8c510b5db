#include "cli/link_keeper.h"

#include <array>
#include <cerrno>
#include <csignal>
#include <exception>
#include <set>

#include <linux/capability.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "cli/privileges.h"
#include "cli/sandbox.h"
#include "vswitch/netlink.h"

namespace weft {

namespace {

constexpr std::size_t longest_message = 64;

ssize_t read_again(int socket, std::array<char, longest_message>& message) noexcept {
    ssize_t size = 0;
    do {
        size = ::read(socket, message.data(), message.size());
    } while (size < 0 && errno == EINTR);
    return size;
}

void remove_quietly(Netlink& netlink, const std::string& host_end) noexcept {
    try {
        netlink.remove_veth(host_end);
    } catch (const std::exception& error) {
        fmt::print(stderr, "weftd {}: {}\n", link_keeper_option, error.what());
    }
}

void obey(int socket, Netlink& netlink) {
    std::set<std::string> kept;
    std::array<char, longest_message> message{};
    for (ssize_t size = 0; (size = read_again(socket, message)) > 0;) {
        const std::string host_end(message.data() + 1, static_cast<std::size_t>(size) - 1);
        if (!host_end.starts_with(host_end_prefix)) continue;
        if (message[0] == '+') kept.insert(host_end);
        if (message[0] == '-' && kept.erase(host_end) > 0) remove_quietly(netlink, host_end);
    }
    for (const std::string& host_end : kept) remove_quietly(netlink, host_end);
}

}  // namespace

LinkKeeper::LinkKeeper(const std::string& program) {
    std::array<int, 2> ends{};
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0)
        throw_system_error("cannot make a socket to the keeper of veth devices", errno);
    socket_ = Descriptor{ends[0]};
    const Descriptor theirs{ends[1]};

    std::string name = "weftd";
    std::string option{link_keeper_option};
    std::array<char*, 3> arguments{name.data(), option.data(), nullptr};
    std::array<char*, 1> environment{nullptr};
    posix_spawn_file_actions_t actions{};
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_adddup2(&actions, theirs.get(), STDIN_FILENO);
    pid_t child = 0;
    const int error =
        ::posix_spawn(&child, program.c_str(), &actions, nullptr, arguments.data(), environment.data());
    ::posix_spawn_file_actions_destroy(&actions);
    if (error != 0) {
        throw_system_error("cannot start the keeper of veth devices (" + program + ")", error,
                           error == ENOENT ? "mount /proc" : "");
    }
}

LinkKeeper::~LinkKeeper() {
    std::array<char, longest_message> message{};
    ::shutdown(socket_.get(), SHUT_WR);
    while (read_again(socket_.get(), message) > 0) {
    }
}

void LinkKeeper::tell(char what, const std::string& host_end) {
    const std::string message = what + host_end;
    if (::send(socket_.get(), message.data(), message.size(), MSG_NOSIGNAL) < 0)
        spdlog::warn("the keeper of veth devices has died: {} stays until the next start", host_end);
}

int run_link_keeper() {
    std::signal(SIGTERM, SIG_IGN);
    std::signal(SIGINT, SIG_IGN);
    std::signal(SIGHUP, SIG_IGN);
    try {
        ::prctl(PR_SET_NAME, "weft-links", 0, 0, 0);
        Netlink netlink;
        keep_capabilities(1U << CAP_NET_ADMIN);
        enter_sandbox({});
        obey(STDIN_FILENO, netlink);
    } catch (const std::exception& error) {
        fmt::print(stderr, "weftd {}: {}\n", link_keeper_option, error.what());
        return 1;
    }
    return 0;
}

}  // namespace weft
