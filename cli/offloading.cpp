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
    } else if (auto opened = FastPath::open({.max_flows = wanted.max_flows,
                                             .parts = workers,
                                             .vxlan_port = vxlan_port,
                                             .sample_every = wanted.check_every})) {
        path_ = std::make_unique<FastPath>(std::move(*opened));
        return;
    } else {
        why_not_ = opened.error();
    }
    if (wanted.mode == Mode::tc || wanted.mode == Mode::xdp) {
        throw std::runtime_error(
            fmt::format("[fastpath] mode = \"{}\": {}", config::to_string(wanted.mode), why_not_));
    }
}

void Offloading::add(PortId port, const std::string& name, PortHooks hooks) {
    if (!path_) return;
    if (!hooks.why_no_flows.empty()) {
        spdlog::warn("port {}: no fast path: {}", name, hooks.why_no_flows);
        failed_[failed_ports_[port] = "port " + name] = hooks.why_no_flows;
    }
    path_->add(port, std::move(hooks));
}

void Offloading::remove(PortId port) {
    if (const auto failed = failed_ports_.extract(port)) failed_.erase(failed.mapped());
    if (path_) path_->remove(port);
}

void Offloading::set_enabled(PortId port, bool enabled) {
    if (path_) path_->set_enabled(port, enabled);
}

void Offloading::set_impaired(PortId port, bool impaired) {
    if (path_) path_->set_impaired(port, impaired);
}

void Offloading::add_uplink(const Uplink& uplink) {
    if (!path_) return;
    const auto added = path_->add_uplink(uplink.index);
    if (added) return;
    spdlog::warn("uplink {}: no fast path from and to plain peers: {}", uplink.name, added.error());
    failed_["uplink " + uplink.name] = added.error();
}

void Offloading::start(Workers& workers) {
    if (!path_) return spdlog::info("fast path: off: {}", why_not_);
    spdlog::info("fast path: tc");
    path_->close_programs();
    for (unsigned i = 0; i < workers.count(); ++i)
        workers.post(i, [flows = path_->flows(i)](Worker& worker) mutable { worker.use(std::move(flows)); });
}

}  // namespace weft
