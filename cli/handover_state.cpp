#include "cli/handover_state.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <concepts>
#include <stdexcept>
#include <string_view>
#include <type_traits>

#include "crypto/aead.h"
#include "overlay/worker_pairing.h"

namespace weft {

namespace {

constexpr std::string_view magic = "weftnext";
constexpr std::size_t longest_text = 4096;
constexpr std::size_t most_objects = 65536;
constexpr std::size_t most_hooks = 8;
constexpr std::size_t most_sessions = 3;

// The format is written down once, as visit() of each type; these two say what is done with a field.
class Packer {
  public:
    static constexpr bool reads = false;

    template <std::unsigned_integral Number>
    void number(Number& value) {
        for (std::size_t i = sizeof(value); i-- > 0;)
            buffer_.extend(1)[0] = static_cast<std::uint8_t>(value >> (8 * i));
    }

    void bytes(std::span<std::uint8_t> raw) { buffer_.append(raw); }

    template <class List>
    std::size_t size(List& list, std::size_t most) {
        if (list.size() > most) throw std::runtime_error("there is more to hand over than one state holds");
        auto count = static_cast<std::uint32_t>(list.size());
        number(count);
        return count;
    }

    template <std::size_t Size>
    void secret(Secret<Size>& value) {
        buffer_.append(value.bytes());
    }

    SecretBuffer take() { return std::move(buffer_); }

  private:
    SecretBuffer buffer_;
};

class Unpacker {
  public:
    static constexpr bool reads = true;

    explicit Unpacker(std::span<const std::uint8_t> left) : left_(left) {}

    [[noreturn]] static void refuse() {
        throw std::runtime_error("what the last weftd left is not well-formed");
    }

    template <std::unsigned_integral Number>
    void number(Number& value) {
        value = 0;
        for (const std::uint8_t byte : take(sizeof(value))) value = static_cast<Number>(value << 8U | byte);
    }

    void bytes(std::span<std::uint8_t> raw) { std::ranges::copy(take(raw.size()), raw.begin()); }

    // An element takes a byte at least: what is refused here would not have fitted.
    template <class List>
    std::size_t size(List& list, std::size_t most) {
        std::uint32_t count = 0;
        number(count);
        if (count > most || count > left_.size()) refuse();
        list.clear();
        list.resize(count);
        return count;
    }

    template <std::size_t Size>
    void secret(Secret<Size>& value) {
        std::ranges::copy(take(Size), value.writable().begin());
    }

    [[nodiscard]] bool at_end() const { return left_.empty(); }

  private:
    std::span<const std::uint8_t> take(std::size_t size) {
        if (left_.size() < size) refuse();
        const auto taken = left_.first(size);
        left_ = left_.subspan(size);
        return taken;
    }

    std::span<const std::uint8_t> left_;
};

template <class Codec>
void visit(Codec& codec, std::unsigned_integral auto& value) {
    codec.number(value);
}

template <class Codec>
void visit(Codec& codec, bool& value) {
    std::uint8_t byte = value ? 1 : 0;
    codec.number(byte);
    if (byte > 1) Unpacker::refuse();
    value = byte == 1;
}

// The first and the last value that the type has.
template <class Codec, class Enum>
    requires std::is_enum_v<Enum>
void visit(Codec& codec, Enum& value, Enum first, Enum last) {
    auto byte = static_cast<std::uint8_t>(value);
    codec.number(byte);
    if (byte < static_cast<std::uint8_t>(first) || byte > static_cast<std::uint8_t>(last)) Unpacker::refuse();
    value = static_cast<Enum>(byte);
}

template <class Codec>
void visit(Codec& codec, Instant& value) {
    auto nanoseconds = static_cast<std::uint64_t>(value.time_since_epoch().count());
    codec.number(nanoseconds);
    value = Instant{Duration{static_cast<std::int64_t>(nanoseconds)}};
}

template <class Codec>
void visit(Codec& codec, std::string& text) {
    codec.size(text, longest_text);
    codec.bytes({reinterpret_cast<std::uint8_t*>(text.data()), text.size()});
}

template <class Codec, std::size_t Size>
void visit(Codec& codec, std::array<std::uint8_t, Size>& bytes) {
    codec.bytes(bytes);
}

template <class Codec>
void visit(Codec& codec, MacAddress& mac) {
    visit(codec, mac.octets);
}

template <class Codec>
void visit(Codec& codec, PublicKey& key) {
    visit(codec, key.bytes);
}

template <class Codec>
void visit(Codec& codec, IpAddress& address) {
    bool is_v6 = address.is_v6();
    visit(codec, is_v6);
    std::array<std::uint8_t, 16> octets{};
    if constexpr (!Codec::reads) std::ranges::copy(address.bytes(), octets.begin());
    codec.bytes(std::span{octets}.first(is_v6 ? 16 : 4));
    address = is_v6 ? IpAddress::v6(octets) : IpAddress::v4({octets[0], octets[1], octets[2], octets[3]});
}

template <class Codec>
void visit(Codec& codec, Endpoint& endpoint) {
    visit(codec, endpoint.address);
    visit(codec, endpoint.port);
}

template <class Codec>
void visit(Codec& codec, Prefix& prefix) {
    visit(codec, prefix.address);
    visit(codec, prefix.length);
    if (prefix.length > 8 * prefix.address.bytes().size()) Unpacker::refuse();
}

template <class Codec, class Value>
void visit(Codec& codec, std::optional<Value>& value) {
    bool is_there = value.has_value();
    visit(codec, is_there);
    if (!is_there) return value.reset();
    if (!value) value.emplace();
    visit(codec, *value);
}

template <class Codec, class Element>
void visit(Codec& codec, std::vector<Element>& list, std::size_t most) {
    codec.size(list, most);
    for (Element& element : list) visit(codec, element);
}

template <class Codec>
void visit(Codec& codec, std::set<Prefix>& prefixes) {
    std::vector<Prefix> list(prefixes.begin(), prefixes.end());
    visit(codec, list, most_objects);
    prefixes = std::set<Prefix>(list.begin(), list.end());
}

template <class Codec>
void visit(Codec& codec, SaKeys& keys) {
    visit(codec, keys.spi);
    visit(codec, keys.cipher, Cipher::aes_128_gcm, Cipher::chacha20_poly1305);
    codec.secret(keys.key);
    visit(codec, keys.salt);
}

template <class Codec>
void visit(Codec& codec, CarriedSession::Window& window) {
    visit(codec, window.highest);
    for (std::uint64_t& word : window.recent) visit(codec, word);
}

template <class Codec>
void visit(Codec& codec, CarriedSession& carried) {
    visit(codec, carried.role, CarriedSession::Role::previous, CarriedSession::Role::next);
    visit(codec, carried.session.id);
    visit(codec, carried.session.initiator);
    visit(codec, carried.session.established);
    visit(codec, carried.session.outbound);
    visit(codec, carried.next_sequence);
    visit(codec, carried.sealed_bytes);
    visit(codec, carried.session.inbound, max_workers);
    carried.windows.resize(carried.session.inbound.size());
    for (CarriedSession::Window& window : carried.windows) visit(codec, window);
    visit(codec, carried.ends);
    visit(codec, carried.draining);
    if (carried.next_sequence == 0 && carried.role != CarriedSession::Role::previous) Unpacker::refuse();
}

template <class Codec>
void visit(Codec& codec, std::vector<CarriedSession>& sessions) {
    visit(codec, sessions, most_sessions);
}

template <class Codec>
void visit(Codec& codec, HandoverState::Peer& peer) {
    visit(codec, peer.name);
    visit(codec, peer.public_key);
    codec.secret(peer.preshared_key);
    visit(codec, peer.endpoint);
    visit(codec, peer.handshakes);
    visit(codec, peer.workers, max_workers);
}

template <class Codec>
void visit(Codec& codec, HandoverState::Socket& socket) {
    visit(codec, socket.worker);
    visit(codec, socket.part.role, UnderlayPart::Role::esp, UnderlayPart::Role::vxlan_sender);
    visit(codec, socket.part.place);
    visit(codec, socket.part.overflows);
    visit(codec, socket.descriptor);
    if (socket.worker >= max_workers) Unpacker::refuse();
}

template <class Codec>
void visit(Codec& codec, PortOrder& order) {
    visit(codec, order.type, config::Port::Type::tap, config::Port::Type::packet);
    visit(codec, order.interface.name);
    visit(codec, order.interface.netns);
    visit(codec, order.interface.mtu);
    visit(codec, order.interface.mac);
    visit(codec, order.interface.addresses, most_objects);
    visit(codec, order.interface.txqueuelen);
    visit(codec, order.queues);
    visit(codec, order.host_end);
    visit(codec, order.tap);
    visit(codec, order.keep);
}

template <class Codec>
void visit(Codec& codec, HandoverState::Port& port) {
    visit(codec, port.name);
    visit(codec, port.order);
    visit(codec, port.is_packet);
    visit(codec, port.is_veth);
    visit(codec, port.has_hooks);
    visit(codec, port.offloads);
    visit(codec, port.index);
    visit(codec, port.routes);
    visit(codec, port.queues, max_workers);
    visit(codec, port.hooks, most_hooks);
}

template <class Codec>
void visit(Codec& codec, HandoverState::Station& station) {
    visit(codec, station.bridge);
    visit(codec, station.vlan);
    visit(codec, station.mac);
    visit(codec, station.is_peer);
    visit(codec, station.port);
}

template <class Codec>
void visit(Codec& codec, HandoverState& state) {
    visit(codec, state.node);
    visit(codec, state.public_key);
    visit(codec, state.workers);
    visit(codec, state.device);
    visit(codec, state.esp);
    visit(codec, state.vxlan);
    visit(codec, state.sockets, most_objects);
    visit(codec, state.ports, most_objects);
    visit(codec, state.peers, most_objects);
    visit(codec, state.stations, most_objects);
}

}  // namespace

SecretBuffer pack(HandoverState& state) {
    Packer packer;
    for (const char letter : magic) {
        auto byte = static_cast<std::uint8_t>(letter);
        packer.number(byte);
    }
    std::uint32_t version = HandoverState::version;
    packer.number(version);
    visit(packer, state);
    return packer.take();
}

HandoverState unpack(std::span<const std::uint8_t> bytes) {
    Unpacker unpacker{bytes};
    std::array<std::uint8_t, magic.size()> begin{};
    unpacker.bytes(begin);
    if (!std::ranges::equal(begin, magic)) Unpacker::refuse();
    std::uint32_t version = 0;
    unpacker.number(version);
    if (version != HandoverState::version)
        throw std::runtime_error("what the last weftd left is of another version");
    HandoverState state;
    visit(unpacker, state);
    if (!unpacker.at_end()) Unpacker::refuse();
    return state;
}

}  // namespace weft
