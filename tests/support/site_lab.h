// A lab with sites, of files in a folder of its own: "lab.toml", and the sites' configurations.
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "lab/file/topology_file.h"
#include "lab/simulation/simulation.h"
#include "tests/support/temporary_folder.h"

namespace weft::test {

// `text` with a value for each "$NAME".
inline std::string filled(std::string text,
                          std::initializer_list<std::pair<std::string_view, std::string_view>> values) {
    for (const auto& [name, value] : values) {
        const std::string placeholder = "$" + std::string{name};
        for (auto at = text.find(placeholder); at != std::string::npos;
             at = text.find(placeholder, at + value.size()))
            text.replace(at, placeholder.size(), value);
    }
    return text;
}

struct SiteLab {
    void write(const std::string& name, std::string_view text) const { std::ofstream{folder / name} << text; }

    void write_key(const std::string& name, std::string_view base64) const {
        write(name, base64);
        std::filesystem::permissions(
            folder / name, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
    }

    [[nodiscard]] lab::Topology topology() const {
        const auto loaded = lab::load(folder / "lab.toml", {});
        if (!loaded) {
            for (const std::string& problem : loaded.error()) MESSAGE(problem);
        }
        REQUIRE(loaded.has_value());
        return *loaded;
    }

    [[nodiscard]] lab::SimulationResult simulate() const { return lab::simulate(topology(), {}); }

    [[nodiscard]] std::vector<std::uint8_t> capture(std::uint64_t seed = 1) const {
        auto topology = this->topology();
        topology.seed = seed;
        std::vector<std::uint8_t> bytes;
        (void)lab::simulate(topology, {},
                            [&](auto piece) { bytes.insert(bytes.end(), piece.begin(), piece.end()); });
        return bytes;
    }

    // Why it cannot be simulated; "none" if it can.
    [[nodiscard]] std::string problems() const {
        try {
            (void)simulate();
        } catch (const std::runtime_error& error) {
            return shortened(error.what());
        }
        return "none";
    }

    // Without the path of the folder.
    [[nodiscard]] std::string shortened(std::string text) const {
        const std::string path = folder.path() + "/";
        for (auto at = text.find(path); at != std::string::npos; at = text.find(path))
            text.erase(at, path.size());
        return text;
    }

    TemporaryFolder folder;
};

}  // namespace weft::test
