#include "cli/client.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <stdexcept>
#include <system_error>
#include <utility>
#include <vector>

#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace weft {

using nlohmann::json;

namespace {

constexpr timeval patience{.tv_sec = 10, .tv_usec = 0};
constexpr timeval for_ever{};

void be_patient(int descriptor, int option, timeval how) {
    setsockopt(descriptor, SOL_SOCKET, option, &how, sizeof(how));
}

std::string_view cure(int error) {
    switch (error) {
        case ENOENT:
            return ": there is no such socket; is weftd running, and is this the path in its [node] control?";
        case ECONNREFUSED:
            return ": nobody serves this socket; its weftd is gone, start it again";
        case EACCES:
            return ": permission denied; run this as root";
        default:
            return "";
    }
}

std::string message_of(int error) {
    return std::generic_category().message(error);
}

}  // namespace

std::string default_control_path(const char* environment, const std::string& folder) {
    if (environment != nullptr && *environment != '\0') return environment;
    std::vector<std::string> sockets;
    std::error_code ignored;  // no folder: no sockets
    for (const auto& entry : std::filesystem::directory_iterator{folder, ignored}) {
        if (entry.path().extension() == ".sock") sockets.push_back(entry.path().string());
    }
    if (sockets.size() == 1) return sockets.front();
    if (sockets.empty()) {
        throw std::runtime_error(
            fmt::format("no daemon found: there is no socket in {}; start weftd, or name its socket by "
                        "--control or WEFT_CONTROL",
                        folder));
    }
    std::ranges::sort(sockets);
    throw std::runtime_error(fmt::format(
        "several daemons run here: choose one by --control or WEFT_CONTROL: {}", fmt::join(sockets, " ")));
}

Client::Client(std::string path) : path_(std::move(path)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path_.empty() || path_.size() >= sizeof(address.sun_path)) {
        throw std::runtime_error(fmt::format("'{}' cannot be a socket: its path has 1 to {} bytes", path_,
                                             sizeof(address.sun_path) - 1));
    }
    std::ranges::copy(path_, address.sun_path);
    descriptor_ = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (descriptor_ < 0) throw std::runtime_error("cannot make a socket: " + message_of(errno));
    be_patient(descriptor_, SO_RCVTIMEO, patience);
    be_patient(descriptor_, SO_SNDTIMEO, patience);
    if (connect(descriptor_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
        const auto error = errno;
        close(descriptor_);
        const auto reason = cure(error);
        throw std::runtime_error(
            fmt::format("cannot reach the daemon at {}{}", path_,
                        reason.empty() ? ": " + message_of(error) : std::string{reason}));
    }
}

Client::~Client() {
    close(descriptor_);
}

int Client::peer() const {
    ucred who{};
    socklen_t size = sizeof(who);
    if (getsockopt(descriptor_, SOL_SOCKET, SO_PEERCRED, &who, &size) != 0)
        throw std::runtime_error(fmt::format("cannot ask who serves {}: {}", path_, message_of(errno)));
    return who.pid;
}

json Client::call(std::string_view method, const json& params) {
    const auto id = ++last_id_;
    json request = {{"jsonrpc", "2.0"}, {"id", id}, {"method", method}};
    if (!params.is_null()) request["params"] = params;
    send(request.dump() + '\n');

    const auto reply = json::parse(receive_line(), nullptr, false);
    if (!reply.is_object() || (!reply.contains("result") && !reply.contains("error"))) {
        throw std::runtime_error(fmt::format("what answers at {} is no weft daemon", path_));
    }
    if (const auto error = reply.find("error"); error != reply.end()) {
        throw RefusedCall(error->value("code", 0),
                          fmt::format("the daemon says: {}", error->value("message", "nothing")));
    }
    return reply["result"];
}

json Client::next_notification() {
    be_patient(descriptor_, SO_RCVTIMEO, for_ever);
    const auto line = receive_line();
    be_patient(descriptor_, SO_RCVTIMEO, patience);
    const auto notification = json::parse(line, nullptr, false);
    if (!notification.is_object() || !notification.value("params", json{}).is_object())
        throw std::runtime_error(fmt::format("what answers at {} is no weft daemon", path_));
    return notification["params"];
}

void Client::send(std::string_view bytes) const {
    while (!bytes.empty()) {
        limit_patience(SO_SNDTIMEO);
        const auto sent = ::send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) continue;
        if (sent < 0) {
            throw std::runtime_error(
                fmt::format("cannot ask the daemon at {}: {}", path_, message_of(errno)));
        }
        bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
}

// Also ends what goes on for ever without a pause.
void Client::limit_patience(int option) const {
    if (!until_) return;
    using std::chrono::microseconds;
    const auto left = std::chrono::duration_cast<microseconds>(*until_ - std::chrono::steady_clock::now());
    if (left <= microseconds{0}) {
        throw std::runtime_error(
            fmt::format("the daemon at {} has not answered in the time that there was", path_));
    }
    const auto wait = std::min(left, microseconds{std::chrono::seconds{patience.tv_sec}});
    be_patient(descriptor_, option,
               {.tv_sec = wait.count() / 1'000'000, .tv_usec = wait.count() % 1'000'000});
}

std::string Client::receive_line() {
    std::array<char, 65536> buffer{};
    for (std::size_t searched = 0;;) {
        if (const auto end = received_.find('\n', searched); end != std::string::npos) {
            auto line = received_.substr(0, end);
            received_.erase(0, end + 1);
            return line;
        }
        searched = received_.size();
        limit_patience(SO_RCVTIMEO);
        const auto size = recv(descriptor_, buffer.data(), buffer.size(), 0);
        if (size > 0) {
            received_.append(buffer.data(), static_cast<std::size_t>(size));
        } else if (size == 0) {
            throw std::runtime_error(fmt::format("the daemon at {} closed the connection", path_));
        } else if (errno == EAGAIN) {
            throw std::runtime_error(
                fmt::format("the daemon at {} gave no answer within {} s", path_, patience.tv_sec));
        } else if (errno != EINTR) {
            throw std::runtime_error(
                fmt::format("cannot hear the daemon at {}: {}", path_, message_of(errno)));
        }
    }
}

}  // namespace weft
