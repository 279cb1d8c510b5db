// What the edge to the kernel needs everywhere: an owned file descriptor, and a failed system call as an
// exception that names the cure.
#pragma once

#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>

#include <unistd.h>

namespace weft {

class Descriptor {
  public:
    Descriptor() noexcept = default;

    explicit Descriptor(int fd) noexcept : fd_(fd) {}

    Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

    Descriptor& operator=(Descriptor&& other) noexcept {
        if (this != &other) {
            reset();
            fd_ = std::exchange(other.fd_, -1);
        }
        return *this;
    }

    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;

    ~Descriptor() { reset(); }

    explicit operator bool() const noexcept { return fd_ >= 0; }

    [[nodiscard]] int get() const noexcept { return fd_; }

    // It is somebody else's from now on.
    int release() noexcept { return std::exchange(fd_, -1); }

  private:
    void reset() noexcept {
        if (fd_ >= 0) ::close(std::exchange(fd_, -1));
    }

    int fd_ = -1;
};

// "cannot open /dev/net/tun: No such file or directory: modprobe tun"
[[noreturn]] inline void throw_system_error(const std::string& attempted, int error,
                                            const std::string& cure = {}) {
    throw std::runtime_error(attempted + ": " + std::generic_category().message(error) +
                             (cure.empty() ? std::string{} : ": " + cure));
}

}  // namespace weft
