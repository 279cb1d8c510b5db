// [offload], and busy_poll of [node].
#include "config/fields.h"
#include "config/read.h"

namespace weft::config {

// [node] checks its keys itself (read_node).
Tuning read_tuning(const std::optional<Section>& node, const std::optional<Section>& offload) {
    constexpr std::chrono::milliseconds longest_poll{1};
    Tuning tuning;
    if (node)
        tuning.busy_poll = read_short_duration(*node, "busy_poll", longest_poll).value_or(tuning.busy_poll);
    if (!offload) return tuning;
    offload->check();
    tuning.tun_gso = offload->boolean("tun_gso").value_or(tuning.tun_gso);
    tuning.tun_gro = offload->boolean("tun_gro").value_or(tuning.tun_gro);
    tuning.udp_gso = offload->boolean("udp_gso").value_or(tuning.udp_gso);
    tuning.udp_gro = offload->boolean("udp_gro").value_or(tuning.udp_gro);
    return tuning;
}

}  // namespace weft::config
