#include "cli/reconfiguration.h"

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>
#include <spdlog/spdlog.h>

#include "cli/params.h"
#include "cli/rpc.h"
#include "config/load.h"
#include "crypto/secret_memory.h"

namespace weft {

namespace {

constexpr std::int64_t longest_to_confirm = 86400;  // seconds

constexpr std::array apply_keys{
    Param{"text", true, R"("text": "[node] ...")"},
    Param{"path", false, R"("path": "/etc/weft/weft.toml")"},
    Param{"dry_run", false, R"("dry_run": true)"},
    Param{"confirm_s", false, R"("confirm_s": 60)"},
};

}  // namespace

Reconfiguration::Reconfiguration(Loop& loop, std::string file, Keeper& keeper, Node node)
    : file_(std::move(file)),
      keeper_(keeper),
      node_(std::move(node)),
      unconfirmed_(loop, [this] { roll_back(); }) {}

std::unique_ptr<config::Config> Reconfiguration::read(const Source& source) {
    auto parsed = config::parse(source.text, source.path, [this](const std::string& key) {
        try {
            return keeper_.open_key(key).release();
        } catch (const std::exception& error) {
            spdlog::warn("{}", error.what());
            errno = EACCES;
            return -1;
        }
    });
    scrub_stack();
    if (!parsed) throw InvalidParams(fmt::format("{}", fmt::join(parsed.error(), "\n")));
    return std::make_unique<config::Config>(std::move(*parsed));
}

nlohmann::json Reconfiguration::apply(const nlohmann::json& params) {
    const Params asked{params, apply_keys};
    Source next{.path = asked.text("path").value_or(file_), .text = asked.text("text").value_or("")};
    const auto confirm_s = asked.integer("confirm_s", 0, longest_to_confirm).value_or(0);
    const bool dry_run = asked.boolean("dry_run").value_or(false);
    auto config = read(next);
    const auto changes = node_.plan(*config);
    if (!dry_run) {
        if (before_) throw std::runtime_error("what was applied last waits to be confirmed: weft confirm");
        const auto applied = node_.apply(std::move(config));
        spdlog::info("{}: {} changes applied", next.path, applied);
        auto before = in_force_;
        if (!before && confirm_s > 0) before = Source{.path = file_, .text = keeper_.read_start_config()};
        in_force_ = std::move(next);
        if (confirm_s > 0) {
            before_ = std::move(before);
            unconfirmed_.start(std::chrono::seconds{confirm_s});
        }
    }
    return {{"changes", changes}, {"applied", !dry_run}, {"confirm_s", dry_run ? 0 : confirm_s}};
}

nlohmann::json Reconfiguration::confirm() {
    const bool waited = before_.has_value();
    before_.reset();
    unconfirmed_.stop();
    return {{"confirmed", waited}};
}

void Reconfiguration::roll_back() {
    const auto back = std::exchange(before_, std::nullopt);
    if (!back) return;
    try {
        auto config = read(*back);
        node_.plan(*config);
        node_.apply(std::move(config));
        in_force_ = back;
        node_.warn("the last configuration was not confirmed in time: the one before is in force again");
    } catch (const std::exception& error) {
        node_.warn(fmt::format("cannot go back to {}: {}", back->path, error.what()));
    }
}

void Reconfiguration::reload() {
    try {
        Source next{.path = file_, .text = keeper_.read_config()};
        auto config = read(next);
        node_.plan(*config);
        const auto applied = node_.apply(std::move(config));
        in_force_ = std::move(next);
        before_.reset();
        unconfirmed_.stop();
        spdlog::info("SIGHUP: {}: {} changes applied", file_, applied);
    } catch (const std::exception& error) {
        spdlog::error("SIGHUP: {}: nothing was changed: {}", file_, error.what());
    }
}

}  // namespace weft
