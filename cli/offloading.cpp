#include "cli/offloading.h"

#include <stdexcept>
#include <utility>

#include <fmt/format.h>
#include <spdlog/spdlog.h>

namespace weft {

void Offloading::open(const config::FastPath& wanted, unsigned workers, std::uint16_t vxlan_port) {
    using Mode = config::FastPath::Mode;
    if (wanted.mode == Mode::off) {
        why_not_ = "switched off by [fastpath] mode";
    } else if (workers > 1) {
        why_not_ = "a node with several workers has none";
    } else if (auto opened = FastPath::open({.max_flows = wanted.max_flows,
                                             .vxlan_port = vxlan_port,
                                             .sample_every = wanted.check_every})) {
        path_ = std::make_unique<FastPath>(std::move(*opened));
        return;
    } else {
        why_not_ = opened.error();
    }
    const bool is_required = wanted.mode == Mode::tc || (wanted.mode == Mode::xdp && workers == 1);
    if (is_required) {
        throw std::runtime_error(
            fmt::format("[fastpath] mode = \"{}\": {}", config::to_string(wanted.mode), why_not_));
    }
}

void Offloading::add(PortId port, PortHooks hooks) {
    if (path_) return path_->add(port, std::move(hooks));
    if (workers_ == nullptr) return;
    workers_->post(0, [port, hooks = std::move(hooks)](Worker& worker) mutable {
        worker.use(port, std::move(hooks));
    });
}

void Offloading::set_enabled(PortId port, bool enabled) {
    if (path_) return path_->set_enabled(port, enabled);
    if (workers_ == nullptr) return;
    workers_->post(0, [port, enabled](Worker& worker) { worker.enable_fast_path(port, enabled); });
}

void Offloading::add_uplink(const Uplink& uplink) {
    if (!path_) return;
    if (const auto added = path_->add_uplink(uplink.index); !added)
        spdlog::warn("uplink {}: no fast path for what plain peers send: {}", uplink.name, added.error());
}

void Offloading::start(Workers& workers) {
    if (!path_) return spdlog::info("fast path: off: {}", why_not_);
    spdlog::info("fast path: tc");
    workers_ = &workers;
    path_->close_programs();
    workers.post(0, [path = std::move(path_)](Worker& worker) mutable { worker.use(std::move(path)); });
}

}  // namespace weft
