// The plain, blocking end of a Unix socket, for tests of what serves one.
#pragma once

#include <algorithm>
#include <array>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace weft::test {

inline sockaddr_un unix_address(const std::string& path) {
    sockaddr_un address{};
    if (path.size() >= sizeof(address.sun_path)) throw std::runtime_error("path too long: " + path);
    address.sun_family = AF_UNIX;
    std::copy(path.begin(), path.end(), address.sun_path);
    return address;
}

inline int new_unix_socket() {
    const int descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (descriptor < 0) throw std::runtime_error("cannot make a socket");
    return descriptor;
}

class UnixPeer {
  public:
    explicit UnixPeer(int descriptor) : descriptor_(descriptor) {}

    UnixPeer(UnixPeer&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}

    UnixPeer(const UnixPeer&) = delete;
    UnixPeer& operator=(const UnixPeer&) = delete;

    ~UnixPeer() { hang_up(); }

    // False once the other side has closed.
    bool send(std::string_view bytes) const {
        while (!bytes.empty()) {
            const auto sent = ::send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
            if (sent < 0) return false;
            bytes.remove_prefix(static_cast<std::size_t>(sent));
        }
        return true;
    }

    void end_sending() const { shutdown(descriptor_, SHUT_WR); }

    // All that comes until the other side closes.
    [[nodiscard]] std::string receive_all() const {
        std::string all;
        std::array<char, 4096> buffer{};
        for (;;) {
            const auto size = read(descriptor_, buffer.data(), buffer.size());
            if (size <= 0) return all;
            all.append(buffer.data(), static_cast<std::size_t>(size));
        }
    }

    // Sends, ends its side, and waits for the answer and the end.
    [[nodiscard]] std::string say(std::string_view bytes) const {
        send(bytes);
        end_sending();
        return receive_all();
    }

    void hang_up() {
        if (descriptor_ >= 0) close(std::exchange(descriptor_, -1));
    }

  private:
    int descriptor_;
};

inline UnixPeer connect_to(const std::string& path) {
    const int descriptor = new_unix_socket();
    UnixPeer connected{descriptor};
    const auto address = unix_address(path);
    if (connect(descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
        throw std::runtime_error("cannot connect to " + path);
    }
    return connected;
}

// What a process that was killed leaves behind.
inline void leave_stale_socket(const std::string& path) {
    const int descriptor = new_unix_socket();
    const auto address = unix_address(path);
    const auto status = bind(descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof(address));
    close(descriptor);
    if (status != 0) throw std::runtime_error("cannot bind " + path);
}

}  // namespace weft::test
