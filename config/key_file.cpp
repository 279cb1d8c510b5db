#include "config/key_file.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>

#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "config/fields.h"

namespace weft::config {

namespace {

constexpr std::size_t longest_file = 128;  // base64 of the longest secret, with some white space

class FileDescriptor {
  public:
    explicit FileDescriptor(int fd) noexcept : fd_(fd) {}

    ~FileDescriptor() {
        if (fd_ >= 0) ::close(fd_);
    }

    FileDescriptor(const FileDescriptor&) = delete;
    FileDescriptor& operator=(const FileDescriptor&) = delete;

    [[nodiscard]] int get() const noexcept { return fd_; }

  private:
    int fd_;
};

// The text of a key file; wiped when it goes.
class KeyText {
  public:
    KeyText() noexcept = default;

    ~KeyText() { wipe(bytes_); }

    KeyText(const KeyText&) = delete;
    KeyText& operator=(const KeyText&) = delete;

    // False with errno set; a file longer than any key reads as empty.
    bool read(int fd) noexcept {
        while (size_ < bytes_.size()) {
            const ssize_t got = ::read(fd, bytes_.data() + size_, bytes_.size() - size_);
            if (got < 0 && errno == EINTR) continue;
            if (got < 0) return false;
            if (got == 0) return true;
            size_ += static_cast<std::size_t>(got);
        }
        size_ = 0;
        return true;
    }

    [[nodiscard]] std::string_view view() const noexcept {
        constexpr std::string_view white = " \t\r\n";
        const std::string_view text{reinterpret_cast<const char*>(bytes_.data()), size_};
        const auto first = text.find_first_not_of(white);
        if (first == std::string_view::npos) return {};
        return text.substr(first, text.find_last_not_of(white) - first + 1);
    }

  private:
    std::array<std::uint8_t, longest_file + 1> bytes_{};
    std::size_t size_ = 0;
};

// -1 for what is no digit of base64 (RFC 4648 section 4).
int value_of(char digit) noexcept {
    if (digit >= 'A' && digit <= 'Z') return digit - 'A';
    if (digit >= 'a' && digit <= 'z') return digit - 'a' + 26;
    if (digit >= '0' && digit <= '9') return digit - '0' + 52;
    if (digit == '+') return 62;
    return digit == '/' ? 63 : -1;
}

// Exactly out.size() bytes in canonical form, padded.
bool decode_base64(std::string_view text, std::span<std::uint8_t> out) noexcept {
    const std::size_t digits = (out.size() * 8 + 5) / 6;
    if (text.size() != (out.size() + 2) / 3 * 4) return false;
    for (const char pad : text.substr(digits)) {
        if (pad != '=') return false;
    }
    std::uint32_t pending = 0;
    unsigned pending_bits = 0;
    std::size_t written = 0;
    for (const char digit : text.substr(0, digits)) {
        const int value = value_of(digit);
        if (value < 0) return false;
        pending = pending << 6U | static_cast<std::uint32_t>(value);
        pending_bits += 6;
        if (pending_bits < 8) continue;
        pending_bits -= 8;
        out[written++] = static_cast<std::uint8_t>(pending >> pending_bits);
    }
    return (pending & ((1U << pending_bits) - 1)) == 0;
}

// Whether what should be a path is one of the secrets that belong into files.
bool is_secret(std::string_view text) noexcept {
    Secret<36> secret;
    const auto holds = [&](std::size_t size) { return decode_base64(text, secret.writable().first(size)); };
    return holds(20) || holds(32) || holds(36);
}

// Whoever owns a file can read it. Beside root, that may be whom we run as, and whom weftd usually does (what
// `weft check` does is done by somebody else).
bool may_own(uid_t owner, bool is_unprivileged) noexcept {
    if (owner == 0 || owner == ::geteuid()) return true;
    if (is_unprivileged) return false;  // its system calls do not reach the user database
    std::array<char, 4096> buffer{};
    passwd entry{};
    passwd* weft = nullptr;
    ::getpwnam_r("weft", &entry, buffer.data(), buffer.size(), &weft);
    return weft != nullptr && owner == weft->pw_uid;
}

// Opens the file that `key` names and hands its text to `use`, which says whether it is a key.
template <class Use>
void with_key_file(const Section& section, std::string_view key, std::string_view maker,
                   std::string_view content, Use use) {
    const auto path = read_path(section, key);
    if (!path) return;
    const auto problem = [&](std::string_view what, std::string_view cure) {
        section.problem(key, fmt::format("key file {}{}", *path, what), cure);
    };
    const std::string make = fmt::format("make one with: (umask 077; {} > {})", maker, *path);

    const FileDescriptor file{section.report().open_key(*path)};
    if (file.get() < 0 && is_secret(section.text(key).value_or(""))) {
        return section.problem(
            key, fmt::format("'{}' is a key, not the path of one", key),
            "replace the key, which is no secret any more, and put the new one into a file of mode 600");
    }
    struct stat status{};
    if (file.get() < 0 || ::fstat(file.get(), &status) != 0) {
        return problem(fmt::format(": {}", std::strerror(errno)),
                       errno == ENOENT ? make : "make it readable for weft");
    }
    if (!S_ISREG(status.st_mode)) return problem(" is not a regular file", make);
    if ((status.st_mode & 077U) != 0) {
        problem(fmt::format(" can be accessed by others (mode {:04o})", status.st_mode & 07777U),
                fmt::format("chmod 600 {}", *path));
    }
    if (!may_own(status.st_uid, section.report().is_unprivileged())) {
        problem(fmt::format(" belongs to user {}", status.st_uid), fmt::format("chown root {}", *path));
    }

    KeyText text;
    if (!text.read(file.get())) return problem(fmt::format(": {}", std::strerror(errno)), make);
    if (!use(text.view())) problem(fmt::format(" does not hold {}", content), make);
}

}  // namespace

std::optional<Secret<32>> read_secret(const Section& section, std::string_view key, std::string_view maker) {
    std::optional<Secret<32>> secret;
    with_key_file(section, key, maker, "base64 of 32 bytes", [&](std::string_view text) {
        secret = parse_secret(text);
        return secret.has_value();
    });
    return secret;
}

bool read_sa_secret(const Section& section, std::string_view key, SaKeys& keys) {
    const std::size_t of_key = key_size(keys.cipher);
    const std::size_t size = of_key + keys.salt.size();
    Secret<36> secret;  // the longest: 32 bytes of key, 4 of salt
    const auto bytes = std::span{secret.writable()}.first(size);
    bool good = false;
    with_key_file(
        section, key, fmt::format("head -c {} /dev/urandom | base64", size),
        fmt::format("base64 of the {} bytes that {} takes (key and salt)", size, to_string(keys.cipher)),
        [&](std::string_view text) { return good = decode_base64(text, bytes); });
    if (!good) return false;
    std::ranges::copy(bytes.first(of_key), keys.key.writable().begin());
    std::ranges::copy(bytes.subspan(of_key), keys.salt.begin());
    return true;
}

}  // namespace weft::config
