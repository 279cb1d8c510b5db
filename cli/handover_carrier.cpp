#include "cli/handover_carrier.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <utility>

#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "crypto/key.h"

namespace weft {

namespace {

constexpr std::uint64_t is_there = 1;
constexpr std::uint64_t is_taken = 2;
constexpr std::size_t header_size = 16;

// All of such a descriptor, shared.
class Mapping {
  public:
    Mapping(const Descriptor& fd, std::size_t size) noexcept
        : start_(::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0)), size_(size) {}

    Mapping(const Mapping&) = delete;
    Mapping& operator=(const Mapping&) = delete;

    ~Mapping() {
        if (*this) ::munmap(start_, size_);
    }

    explicit operator bool() const noexcept { return start_ != MAP_FAILED; }

    [[nodiscard]] std::span<std::uint8_t> bytes() const noexcept {
        return {static_cast<std::uint8_t*>(start_), size_};
    }

    [[nodiscard]] std::uint64_t& word(std::size_t index) const noexcept {
        return static_cast<std::uint64_t*>(start_)[index];
    }

  private:
    void* start_;
    std::size_t size_;
};

std::optional<Descriptor> fill_secret(std::span<const std::uint8_t> state) noexcept {
    Descriptor fd{static_cast<int>(::syscall(SYS_memfd_secret, O_CLOEXEC))};
    const std::size_t size = header_size + state.size();
    if (!fd || ::ftruncate(fd.get(), static_cast<off_t>(size)) != 0) return std::nullopt;
    const Mapping mapping{fd, size};
    if (!mapping) return std::nullopt;
    std::ranges::copy(state, mapping.bytes().subspan(header_size).begin());
    mapping.word(1) = state.size();
    std::atomic_ref{mapping.word(0)}.store(is_there);
    return fd;
}

std::optional<SecretBuffer> take_secret(const Descriptor& fd, std::size_t size) noexcept {
    const Mapping mapping{fd, size};
    if (!mapping) return std::nullopt;
    std::uint64_t expected = is_there;
    if (!std::atomic_ref{mapping.word(0)}.compare_exchange_strong(expected, is_taken)) return std::nullopt;
    const std::span held = mapping.bytes().subspan(header_size);
    SecretBuffer state;
    state.append(held.first(std::min<std::uint64_t>(mapping.word(1), held.size())));
    wipe(held);
    return state;
}

std::optional<Descriptor> fill_pipe(std::span<const std::uint8_t> state) noexcept {
    std::array<int, 2> ends{};
    if (state.empty() || state.size() > HandoverCarrier::pipe_size ||
        ::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK) != 0)
        return std::nullopt;
    Descriptor out{ends[0]};
    const Descriptor in{ends[1]};
    if (::fcntl(in.get(), F_SETPIPE_SZ, static_cast<int>(HandoverCarrier::pipe_size)) < 0)
        return std::nullopt;
    if (::write(in.get(), state.data(), state.size()) != static_cast<ssize_t>(state.size()))
        return std::nullopt;
    return out;
}

// Nobody writes to it any more, so that it ends where the state does.
std::optional<SecretBuffer> take_pipe(const Descriptor& fd) noexcept {
    SecretBuffer state(HandoverCarrier::pipe_size);
    std::size_t size = 0;
    while (size < state.bytes().size()) {
        const ssize_t got = ::read(fd.get(), state.writable().data() + size, state.bytes().size() - size);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) break;
        size += static_cast<std::size_t>(got);
    }
    if (size == 0) return std::nullopt;
    SecretBuffer taken;
    taken.append(state.bytes().first(size));
    return taken;
}

}  // namespace

std::optional<Descriptor> HandoverCarrier::fill(std::span<const std::uint8_t> state, Kind kind) noexcept {
    if (state.size() > largest) return std::nullopt;
    if (kind == Kind::best) {
        if (auto secret = fill_secret(state)) return secret;
    }
    return fill_pipe(state);
}

std::optional<SecretBuffer> HandoverCarrier::take(const Descriptor& carrier) noexcept {
    struct stat status{};
    if (::fstat(carrier.get(), &status) != 0) return std::nullopt;
    if (S_ISFIFO(status.st_mode)) return take_pipe(carrier);
    const auto size = static_cast<std::size_t>(std::max<off_t>(status.st_size, 0));
    if (!S_ISREG(status.st_mode) || size < header_size || size > largest + header_size) return std::nullopt;
    return take_secret(carrier, size);
}

}  // namespace weft
