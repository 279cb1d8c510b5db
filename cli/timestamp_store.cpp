#include "cli/timestamp_store.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <string_view>
#include <utility>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "crypto/blake2s.h"

namespace weft {

namespace {

constexpr std::string_view header = "weft-timestamps 1\n";
constexpr std::chrono::minutes lost_at_most{1};  // by power loss

struct Record {
    PublicKey key;
    Timestamp newest;
    std::array<std::uint8_t, 4> reserved{};
    std::array<std::uint8_t, 16> check{};
};

static_assert(sizeof(Record) == TimestampStore::record_size);

std::array<std::uint8_t, 16> check_of(const Record& record) noexcept {
    std::array<std::uint8_t, blake2s_size> digest{};
    blake2s({record.key.bytes, record.newest.bytes, record.reserved}, digest);
    std::array<std::uint8_t, 16> check{};
    std::copy_n(digest.begin(), check.size(), check.begin());
    return check;
}

Descriptor open_file(const std::string& directory, const std::string& path) {
    constexpr auto cure = "make the folder writable for weftd, or name another with [node] state_dir";
    if (::mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST)
        throw_system_error("cannot make folder " + directory, errno, cure);
    Descriptor file{::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600)};
    if (!file) throw_system_error("timestamp file " + path, errno, cure);
    if (::flock(file.get(), LOCK_EX | LOCK_NB) != 0) {
        throw_system_error("timestamp file " + path, errno,
                           "another weftd uses it: give each node a name or a [node] state_dir of its own");
    }
    return file;
}

std::string read_all(int file, const std::string& path) {
    std::string bytes((TimestampStore::max_keys + 1) * TimestampStore::record_size + 1, '\0');
    std::size_t size = 0;
    while (size < bytes.size()) {
        const auto got = ::pread(file, bytes.data() + size, bytes.size() - size, static_cast<off_t>(size));
        if (got < 0) throw_system_error("timestamp file " + path, errno);
        if (got == 0) break;
        size += static_cast<std::size_t>(got);
    }
    bytes.resize(size);
    return bytes;
}

bool is_zero(std::string_view bytes) noexcept {
    return std::ranges::all_of(bytes, [](char byte) { return byte == '\0'; });
}

}  // namespace

TimestampStore::TimestampStore(const std::string& state_dir, const std::string& node)
    : path_(fmt::format("{}/{}.timestamps", state_dir, node)), file_(open_file(state_dir, path_)) {
    const auto bytes = read_all(file_.get(), path_);
    if (bytes.empty()) {
        begin();
    } else {
        load(bytes);
    }
}

// Synced, this once: a file that is there has its first record.
void TimestampStore::begin() {
    std::array<char, record_size> first{};
    std::ranges::copy(header, first.begin());
    write(0, first.data());
    ::fsync(file_.get());
}

// What is shorter than a record at the end was never written to its end, and what is zero never begun.
void TimestampStore::load(const std::string& bytes) {
    const auto record_at = [&](std::size_t n) {
        return std::string_view{bytes}.substr(n * record_size, record_size);
    };
    if (!bytes.starts_with(header) || bytes.size() < record_size ||
        !is_zero(record_at(0).substr(header.size())))
        refuse("is not one");
    records_ = bytes.size() / record_size;
    if (records_ > max_keys + 1) refuse("is too large");
    for (std::size_t n = 1; n < records_; ++n) {
        if (is_zero(record_at(n))) continue;
        Record record;
        std::memcpy(&record, record_at(n).data(), sizeof record);
        if (record.check != check_of(record)) refuse(fmt::format("is damaged in record {}", n));
        auto& entry = entries_[record.key];
        if (record.newest > entry.newest) entry = {n, record.newest};
    }
}

void TimestampStore::refuse(const std::string& why) const {
    throw std::runtime_error(fmt::format(
        "timestamp file {} {}: remove it if this machine's clock is right; until a peer has called again, "
        "a recorded first message of its may then be answered once more",
        path_, why));
}

Timestamp TimestampStore::newest(const PublicKey& key) const noexcept {
    const auto found = entries_.find(key);
    return found == entries_.end() ? Timestamp{} : found->second.newest;
}

Timestamp TimestampStore::own(const PublicKey& key, Handshaker::WallTime clock) const noexcept {
    const auto last = newest(key);
    return last > Timestamp::at(clock) ? Timestamp::at(last.wall() + lost_at_most) : last;
}

void TimestampStore::remember(const PublicKey& key, const Timestamp& newest) {
    auto found = entries_.find(key);
    if (found == entries_.end()) found = entries_.emplace(key, Entry{place_for_new(), {}}).first;
    found->second.newest = newest;
    Record record{.key = key, .newest = newest};
    record.check = check_of(record);
    write(found->second.record, &record);
}

std::size_t TimestampStore::place_for_new() {
    if (entries_.size() < max_keys && records_ <= max_keys) return records_++;
    const auto oldest =
        std::ranges::min_element(entries_, {}, [](const auto& entry) { return entry.second.newest; });
    const auto place = oldest->second.record;
    entries_.erase(oldest);
    return place;
}

void TimestampStore::write(std::size_t record, const void* bytes) const {
    const auto written = ::pwrite(file_.get(), bytes, record_size, static_cast<off_t>(record * record_size));
    if (written == static_cast<ssize_t>(record_size)) return;
    throw_system_error("timestamp file " + path_, written < 0 ? errno : ENOSPC);
}

}  // namespace weft
