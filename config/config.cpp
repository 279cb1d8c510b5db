#include "config/config.h"

namespace weft::config {

namespace {

template <std::size_t Size>
bool same(const Secret<Size>& a, const Secret<Size>& b) noexcept {
    return equal_in_constant_time(a.bytes(), b.bytes());
}

bool same(const SaKeys& a, const SaKeys& b) noexcept {
    return a.spi == b.spi && a.cipher == b.cipher && same(a.key, b.key) && a.salt == b.salt;
}

bool same(const ManualSa& a, const ManualSa& b) noexcept {
    return same(a.outbound, b.outbound) && same(a.inbound, b.inbound) && a.counter_file == b.counter_file;
}

template <class T>
bool same(const std::optional<T>& a, const std::optional<T>& b) noexcept {
    return a.has_value() == b.has_value() && (!a || same(*a, *b));
}

}  // namespace

bool operator==(const Node& a, const Node& b) noexcept {
    return a.name == b.name && a.workers == b.workers && a.control == b.control &&
           a.state_dir == b.state_dir && same(a.private_key, b.private_key) && a.public_key == b.public_key &&
           a.keylog == b.keylog && a.user == b.user;
}

bool same_but_reach(const Peer& a, const Peer& b) noexcept {
    return a.name == b.name && a.encryption == b.encryption && a.public_key == b.public_key &&
           same(a.preshared_key, b.preshared_key) && a.endpoint_host == b.endpoint_host &&
           a.endpoint_port == b.endpoint_port && same(a.manual, b.manual) && a.keepalive == b.keepalive &&
           a.dead_peer_detection == b.dead_peer_detection && a.replay_window == b.replay_window;
}

bool operator==(const Peer& a, const Peer& b) noexcept {
    return same_but_reach(a, b) && a.bridges == b.bridges && a.prefixes == b.prefixes;
}

}  // namespace weft::config
