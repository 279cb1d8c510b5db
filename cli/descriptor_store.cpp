#include "cli/descriptor_store.h"

#include <charconv>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <systemd/sd-daemon.h>

namespace weft {

namespace {

// As many as stand there.
std::size_t number_in(const char* text) {
    if (text == nullptr) return 0;
    std::size_t number = 0;
    const auto parsed = std::from_chars(text, text + std::strlen(text), number);
    return parsed.ec == std::errc{} && *parsed.ptr == '\0' ? number : 0;
}

}  // namespace

DescriptorStore DescriptorStore::open() {
    DescriptorStore store;
    // NOLINTBEGIN(concurrency-mt-unsafe)
    if (std::getenv("NOTIFY_SOCKET") != nullptr) store.room_ = number_in(std::getenv("FDSTORE"));
    ::unsetenv("FDSTORE");
    // NOLINTEND(concurrency-mt-unsafe)
    char** names = nullptr;
    const int count = ::sd_listen_fds_with_names(1, &names);
    for (int i = 0; i < count; ++i) {
        store.begun_with_.emplace_back(names[i], Descriptor{SD_LISTEN_FDS_START + i});
        std::free(names[i]);
    }
    std::free(static_cast<void*>(names));
    return store;
}

std::vector<std::pair<std::string, Descriptor>> DescriptorStore::take() {
    if (room_ > 0) {
        for (const auto& [name, descriptor] : begun_with_)
            ::sd_notify(0, fmt::format("FDSTOREREMOVE=1\nFDNAME={}", name).c_str());
    }
    return std::move(begun_with_);
}

bool DescriptorStore::keep(const std::vector<std::pair<std::string, int>>& descriptors) const {
    for (const auto& [name, descriptor] : descriptors) {
        const auto message = fmt::format("FDSTORE=1\nFDNAME={}\nFDPOLL=0", name);
        const int status = ::sd_pid_notify_with_fds(0, 0, message.c_str(), &descriptor, 1);
        if (status <= 0) {
            spdlog::error("the service manager does not keep descriptors: {}", std::strerror(-status));
            return false;
        }
    }
    constexpr std::chrono::microseconds limit = std::chrono::seconds{5};
    const int status = ::sd_notify_barrier(0, static_cast<std::uint64_t>(limit.count()));
    if (status <= 0) spdlog::error("the service manager does not say that it has the descriptors");
    return status > 0;
}

}  // namespace weft
