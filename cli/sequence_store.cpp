#include "cli/sequence_store.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <stdexcept>

#include <fcntl.h>
#include <unistd.h>

#include <fmt/format.h>

namespace weft {

namespace {

constexpr std::string_view header = "weft-sequence 1";

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
    std::string first_line;
    std::string spi_text;
    std::uint64_t reserved = 0;
    std::getline(file, first_line);
    if (first_line != header || !(file >> spi_text >> reserved)) {
        throw std::runtime_error(fmt::format(
            "counter file {}: damaged: make a new key for this peer, on both sides, and a new counter file",
            path_));
    }
    if (spi_text != fmt::format("0x{:08x}", spi_)) {
        throw std::runtime_error(
            fmt::format("counter file {}: is of SPI {}, not 0x{:08x}: give each SPI a file of its own", path_,
                        spi_text, spi_));
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
    write_synced(fresh, fmt::format("{}\n0x{:08x} {}\n", header, spi_, limit));
    if (std::rename(fresh.c_str(), path_.c_str()) != 0) {
        throw std::runtime_error(fmt::format("counter file {}: {}", path_, std::strerror(errno)));
    }
    sync_directory(path_);
    limit_ = limit;
}

}  // namespace weft
