#include "cli/sequence_store.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <stdexcept>

#include <fcntl.h>
#include <unistd.h>

#include <fmt/format.h>

#include "crypto/sa.h"

namespace weft {

namespace {

constexpr std::string_view header = "weft-sequence 1";

std::string file_text(std::uint32_t spi, std::uint64_t reserved) {
    return fmt::format("{}\n0x{:08x} {}\n", header, spi, reserved);
}

// Writes and syncs `text` to `path`; throws with the reason.
void write_synced(const std::string& path, std::string_view text) {
    const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    const bool written = file >= 0 &&
                         ::write(file, text.data(), text.size()) == static_cast<ssize_t>(text.size()) &&
                         ::fsync(file) == 0;
    const int error = errno;
    if (file >= 0) ::close(file);
    if (!written) throw std::runtime_error(fmt::format("counter file {}: {}", path, std::strerror(error)));
}

void sync_directory(const std::string& path) {
    const auto parent = std::filesystem::path(path).parent_path();
    const int directory = ::open(parent.empty() ? "." : parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0) return;
    ::fsync(directory);
    ::close(directory);
}

}  // namespace

SequenceStore::SequenceStore(std::string path, std::uint32_t spi) : path_(std::move(path)), spi_(spi) {
    std::ifstream file(path_);
    if (!file) {
        throw std::runtime_error(
            fmt::format("counter file {0}: {1}: if the key is new and was never used, make it with: printf "
                        "'{2}\\n0x{3:08x} 0\\n' > {0}",
                        path_, std::strerror(errno), header, spi_));
    }
    const std::string text{std::istreambuf_iterator<char>{file}, {}};
    std::istringstream words{text};
    std::string first_line;
    std::string spi_text;
    std::uint64_t reserved = 0;
    std::getline(words, first_line);
    words >> spi_text >> reserved;
    const bool complete = words && first_line == header && text.ends_with('\n');
    if (complete && spi_text != fmt::format("0x{:08x}", spi_)) {
        throw std::runtime_error(
            fmt::format("counter file {}: is of SPI {}, not 0x{:08x}: give each SPI a file of its own", path_,
                        spi_text, spi_));
    }
    // Not a byte may differ from what write() makes: a number that lost its last digit is a number, too.
    if (!complete || text != file_text(spi_, reserved) || reserved > OutboundSa::max_packets) {
        throw std::runtime_error(fmt::format(
            "counter file {}: damaged: make a new key for this peer, on both sides, and a new counter file",
            path_));
    }
    first_ = reserved + 1;
    reserve(reserved + chunk);
}

bool SequenceStore::reserve_beyond(std::uint64_t used) {
    if (limit_ - used > chunk / 2) return false;
    reserve(limit_ + chunk);
    return true;
}

void SequenceStore::reserve(std::uint64_t limit) {
    const std::string fresh = path_ + ".new";
    write_synced(fresh, file_text(spi_, limit));
    if (std::rename(fresh.c_str(), path_.c_str()) != 0) {
        throw std::runtime_error(fmt::format("counter file {}: {}", path_, std::strerror(errno)));
    }
    sync_directory(path_);
    limit_ = limit;
}

}  // namespace weft
