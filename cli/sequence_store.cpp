#include "cli/sequence_store.h"

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <span>
#include <sstream>
#include <stdexcept>
#include <string_view>
#include <utility>

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "crypto/blake2s.h"

namespace weft {

namespace {

constexpr std::string_view sent_header = "weft-sequence 1";
constexpr std::string_view received_header = "weft-received 1";
constexpr std::string_view damaged =
    "damaged: make a new key for this peer, on both sides, and a new counter file";

[[noreturn]] void refuse(const std::string& path, std::string_view why) {
    throw std::runtime_error(fmt::format("counter file {}: {}", path, why));
}

struct Record {
    std::string owner;
    std::uint64_t number = 0;
};

std::string file_text(std::string_view header, const Record& record) {
    return fmt::format("{}\n{} {}\n", header, record.owner, record.number);
}

// What stands in the file's text; nothing if it is damaged. Not a byte may differ from what file_text()
// makes: a number that lost its last digit is a number, too.
std::optional<Record> parse(const std::string& text, std::string_view header) {
    std::istringstream words{text};
    std::string first_line;
    Record record;
    std::getline(words, first_line);
    words >> record.owner >> record.number;
    if (!words || text != file_text(header, record) || record.number > OutboundSa::max_packets)
        return std::nullopt;
    return record;
}

// The whole file; nothing, and errno, if it cannot be read.
std::optional<std::string> read_text(const std::string& path) {
    std::ifstream file(path);
    if (!file) return std::nullopt;
    std::string text{std::istreambuf_iterator<char>{file}, {}};
    return file.bad() ? std::nullopt : std::optional{std::move(text)};
}

// Writes and syncs `text` to `path`; throws with the reason.
void write_synced(const std::string& path, std::string_view text) {
    const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    const bool written = file >= 0 &&
                         ::write(file, text.data(), text.size()) == static_cast<ssize_t>(text.size()) &&
                         ::fsync(file) == 0;
    const int error = errno;
    if (file >= 0) ::close(file);
    if (!written) refuse(path, std::strerror(error));
}

void sync_directory(const std::string& path) {
    const auto parent = std::filesystem::path(path).parent_path();
    const int directory = ::open(parent.empty() ? "." : parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0) return;
    ::fsync(directory);
    ::close(directory);
}

void replace(const std::string& path, std::string_view text) {
    const std::string fresh = path + ".new";
    write_synced(fresh, text);
    if (std::rename(fresh.c_str(), path.c_str()) != 0) refuse(path, std::strerror(errno));
    sync_directory(path);
}

// Short enough to tell nothing about the key, long enough to tell two apart.
std::string name_of(const SaKeys& keys) {
    constexpr std::string_view label = "weft received";
    const std::array<std::uint8_t, 4> spi{
        static_cast<std::uint8_t>(keys.spi >> 24U), static_cast<std::uint8_t>(keys.spi >> 16U),
        static_cast<std::uint8_t>(keys.spi >> 8U), static_cast<std::uint8_t>(keys.spi)};
    std::array<std::uint8_t, blake2s_size> digest{};
    blake2s({{reinterpret_cast<const std::uint8_t*>(label.data()), label.size()},
             spi,
             keys.salt,
             keys.key.bytes()},
            digest);
    return fmt::format("{:02x}", fmt::join(std::span{digest}.first(8), ""));
}

}  // namespace

SequenceStore::SequenceStore(std::string path, std::uint32_t spi)
    : path_(std::move(path)), owner_(fmt::format("0x{:08x}", spi)) {
    lock();
    try {
        read();
    } catch (...) {
        ::close(lock_);
        throw;
    }
}

SequenceStore::~SequenceStore() {
    ::close(lock_);
}

// A file of its own, because the counter file is replaced again and again.
void SequenceStore::lock() {
    const std::string path = path_ + ".lock";
    lock_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (lock_ >= 0 && ::flock(lock_, LOCK_EX | LOCK_NB) == 0) return;
    const int error = errno;
    if (lock_ >= 0) ::close(lock_);
    if (error != EWOULDBLOCK) refuse(path, std::strerror(error));
    refuse(path_,
           "another process uses it, which would use the same nonces: stop that one, or give each SPI a key "
           "and a "
           "file of its own");
}

void SequenceStore::read() {
    const auto text = read_text(path_);
    if (!text) {
        refuse(path_,
               fmt::format("{}: if the key is new and was never used, make it with: printf '{}\\n{} 0\\n' "
                           "> {}",
                           std::strerror(errno), sent_header, owner_, path_));
    }
    const auto record = parse(*text, sent_header);
    if (!record) refuse(path_, damaged);
    if (record->owner != owner_) {
        refuse(path_,
               fmt::format("is of SPI {}, not {}: give each SPI a file of its own", record->owner, owner_));
    }
    first_ = record->number + 1;
    reserve(record->number + chunk);
}

bool SequenceStore::reserve_beyond(std::uint64_t used) {
    if (limit_ - used > chunk / 2) return false;
    reserve(limit_ + chunk);
    return true;
}

void SequenceStore::reserve(std::uint64_t limit) {
    replace(path_, file_text(sent_header, {owner_, limit}));
    limit_ = limit;
}

ReceivedStore::ReceivedStore(const std::string& counter_file, const SaKeys& inbound, bool is_new)
    : path_(counter_file + ".received"), key_(name_of(inbound)) {
    read(is_new);
    write(highest_);  // now rather than in a second: if it cannot be, nothing must have started
}

void ReceivedStore::read(bool is_new) {
    const auto text = read_text(path_);
    if (!text && errno == ENOENT && is_new) return;
    if (!text) {
        refuse(path_,
               fmt::format(
                   "{}: without it old packets of the peer's would be accepted again: make a new key for "
                   "this peer, on both sides, and a new counter file; or take the number N in the peer's "
                   "own counter file, do: printf '{}\\n{} N\\n' > {}, and restart the peer as well",
                   std::strerror(errno), received_header, key_, path_));
    }
    const auto record = parse(*text, received_header);
    if (!record) refuse(path_, damaged);
    if (record->owner == key_) highest_ = record->number;
}

void ReceivedStore::write(std::uint64_t highest) {
    replace(path_, file_text(received_header, {key_, highest}));
    highest_ = highest;
}

void ReceivedStore::save(std::uint64_t highest) {
    if (highest > highest_) write(highest);
}

}  // namespace weft
