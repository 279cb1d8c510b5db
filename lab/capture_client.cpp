#include "lab/capture_client.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <stdexcept>
#include <string_view>

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "lab/capture.h"
#include "lab/launch.h"
#include "lab/state_folder.h"
#include "vswitch/system.h"

namespace weft::lab {

namespace {

constexpr std::string_view error_mark = "error: ";

Descriptor connect_to(const std::string& lab) {
    const std::string path = state_folder(lab) + "/" + capture_socket;
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof(address.sun_path)) throw std::runtime_error("too long for a socket: " + path);
    std::ranges::copy(path, address.sun_path);
    Descriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!socket || ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
        throw_system_error("cannot reach the lab " + lab, errno, "weft lab list tells which ones run");
    return socket;
}

Descriptor open_output(const std::string& file) {
    if (file != "-") {
        Descriptor output(::open(file.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
        if (!output) throw_system_error("cannot write " + file, errno);
        return output;
    }
    if (::isatty(STDOUT_FILENO) != 0) {
        throw std::runtime_error(
            "a capture is not for a terminal: write it into a file (-w FILE), or into another program: weft "
            "lab capture LINK | wireshark -k -i -");
    }
    return Descriptor(::dup(STDOUT_FILENO));
}

void write_all(const Descriptor& output, std::string_view bytes) {
    while (!bytes.empty()) {
        const auto size = ::write(output.get(), bytes.data(), bytes.size());
        if (size < 0 && errno == EINTR) continue;
        if (size < 0) throw_system_error("cannot write the capture", errno);
        bytes.remove_prefix(static_cast<std::size_t>(size));
    }
}

}  // namespace

int capture(const std::string& lab, const std::vector<std::string>& targets, const std::string& file) {
    const Descriptor output = open_output(file);
    const Descriptor socket = connect_to(lab);
    write_all(socket, nlohmann::json{{"targets", targets}}.dump() + "\n");
    const InterruptWatch watch;
    std::array<char, 65536> buffer{};
    std::string refusal;
    for (bool is_first = true;; is_first = false) {
        try {
            watch.wait(socket.get());
        } catch (const Interrupted&) {
            // The lab sends what it has, so that the file ends with a whole block.
            ::shutdown(socket.get(), SHUT_WR);
        }
        const auto size = ::recv(socket.get(), buffer.data(), buffer.size(), 0);
        if (size < 0 && errno == EINTR) continue;
        if (size <= 0) break;
        const std::string_view bytes{buffer.data(), static_cast<std::size_t>(size)};
        if (is_first && bytes.starts_with(error_mark)) refusal = bytes.substr(error_mark.size());
        if (refusal.empty()) write_all(output, bytes);
    }
    if (refusal.empty()) return 0;
    refusal.pop_back();  // the end of the line
    throw std::runtime_error(refusal);
}

}  // namespace weft::lab
