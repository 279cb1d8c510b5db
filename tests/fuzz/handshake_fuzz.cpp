// Hostile control datagrams against a Handshaker with a handshake under way. The first byte chooses how the
// rest is used:
//
//   0  as a datagram
//   1  as a datagram with a correct mac1, which anyone can compute who knows the public key
//   2  as bytes that are mixed into a valid initiation, with a correct mac1
//   3  the same with a valid response
//   4  as a payload that is parsed
//   5  as the payload of an authentic initiation: hostile, but from a peer
//   6  as a cookie for the initiation that was sent
//
// Nothing but messages that the peer has made, unchanged, may bring about a session.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <utility>
#include <variant>
#include <vector>

#include "crypto/blake2s.h"
#include "crypto/noise.h"
#include "crypto/x25519.h"
#include "overlay/control_gate.h"
#include "overlay/cookie.h"
#include "overlay/handshake.h"
#include "overlay/handshake_message.h"

using namespace weft;

namespace {

using Bytes = std::vector<std::uint8_t>;

class CountingRandom final : public Random {
  public:
    void fill(std::span<std::uint8_t> bytes) noexcept override {
        for (auto& byte : bytes)
            byte = static_cast<std::uint8_t>((state_ = state_ * 6364136223846793005U + 1U) >> 56U);
    }

  private:
    std::uint64_t state_ = 1;
};

constexpr PeerId peer{1};
const Endpoint somewhere{IpAddress::v4({192, 0, 2, 1}), 4500};
constexpr Handshaker::WallTime wall{std::chrono::seconds{1'800'000'000}};

PrivateKey private_key(std::uint8_t fill) {
    PrivateKey key;
    std::ranges::fill(key.writable(), fill);
    return key;
}

// The message among what has to be done.
Bytes sent(Handshaker& handshaker) {
    for (auto& action : handshaker.take_actions())
        if (auto* send = std::get_if<Handshaker::Send>(&action)) return std::move(send->datagram);
    std::abort();
}

struct Pair {
    Pair() {
        a.add_peer(peer, {b_public, {}, somewhere});
        b.add_peer(peer, {a_public, {}, somewhere});
        a.initiate(peer, Instant{}, wall);
        initiation = sent(a);
    }

    Bytes answer() {
        (void)b.receive(initiation, somewhere, Instant{}, wall);
        return sent(b);
    }

    CountingRandom random;
    PublicKey a_public = X25519{private_key(1)}.public_key();
    PublicKey b_public = X25519{private_key(2)}.public_key();
    Handshaker a{private_key(1), random};
    Handshaker b{private_key(2), random};
    Bytes initiation;
};

void correct_mac1(Bytes& datagram, const PublicKey& recipient) {
    if (datagram.size() < 32) return;
    const auto maced = datagram.size() - 32;
    blake2s_mac(mac1_key(recipient), ByteView{datagram}.first(maced),
                std::span<std::uint8_t, 16>{datagram.data() + maced, 16});
}

// In anything but mac2, which is for the gate alone.
bool differ(const Bytes& a, const Bytes& b) {
    return !std::ranges::equal(ByteView{a}.first(a.size() - 16), ByteView{b}.first(b.size() - 16));
}

void mix(Bytes& datagram, ByteView input) {
    for (std::size_t i = 0; i + 1 < input.size(); i += 2)
        datagram[input[i] % datagram.size()] ^= input[i + 1];
}

void require_no_session(Handshaker& handshaker) {
    for (const auto& action : handshaker.take_actions()) {
        if (std::holds_alternative<Handshaker::Install>(action)) std::abort();
    }
}

// Past a gate that is under load, whose answer is no larger than the message.
void knock(const PublicKey& own, const Bytes& datagram) {
    static ControlGate gate;
    gate.open(own);
    gate.renew(CookieSecret{});
    for (int i = 0; i < 2; ++i) {
        const auto refused = gate.refuse(datagram, somewhere, Instant{});
        if (refused == Drop::cookie_demanded && gate.reply().size() > datagram.size()) std::abort();
        if (!refused && datagram.size() > max_control_size) std::abort();
    }
}

void receive(Handshaker& handshaker, const Bytes& datagram) {
    (void)handshaker.receive(datagram, somewhere, Instant{}, wall);
    require_no_session(handshaker);
}

void parse_payloads(ByteView input) {
    if (const auto payload = InitiationPayload::parse(input)) {
        const auto again = InitiationPayload::parse(payload->serialize());
        if (!payload->ciphers.empty() && (!again || again->inbound.first != payload->inbound.first))
            std::abort();
    }
    if (input.size() != ResponsePayload::size) return;
    if (const auto payload = ResponsePayload::parse(input.first<ResponsePayload::size>())) {
        if (!std::ranges::equal(payload->serialize(), input)) std::abort();
    }
}

// The responder's answer must be one that the initiator's payload allows.
void call(Pair& pair, ByteView payload) {
    payload = payload.first(std::min<std::size_t>(payload.size(), 64));
    constexpr std::uint32_t index = 7;
    auto builder = ControlBuilder::initiation(index, noise_message_1_overhead + payload.size());
    const X25519 identity{private_key(1)};
    const auto remote = NoiseRemote::make(identity, pair.b_public, {});
    Secret<32> ephemeral;
    std::ranges::fill(ephemeral.writable(), std::uint8_t{3});
    NoiseInitiator noise{NoisePattern::ik_psk2, handshake_prologue(builder.header()), identity, *remote,
                         std::move(ephemeral)};
    if (!noise.write_message(payload, builder.noise())) std::abort();
    const auto datagram = std::move(builder).finish(mac1_key(pair.b_public), nullptr).datagram;
    const auto parsed = InitiationPayload::parse(payload);
    (void)pair.b.receive(datagram, somewhere, Instant{}, wall);
    for (const auto& action : pair.b.take_actions()) {
        const auto* install = std::get_if<Handshaker::Install>(&action);
        if (install == nullptr) continue;
        if (!parsed || install->sessions.size() != 1) std::abort();
        if (std::ranges::find(parsed->ciphers, install->sessions[0].outbound.cipher) == parsed->ciphers.end())
            std::abort();
    }
    (void)pair.b.receive(datagram, somewhere, Instant{std::chrono::seconds{1}}, wall);
    require_no_session(pair.b);
}

void give_cookie(Pair& pair, ByteView input) {
    const auto empty = CookieReply{}.serialize();
    Bytes datagram{empty.begin(), empty.end()};
    std::ranges::copy(input.first(std::min(input.size(), datagram.size() - 12)), datagram.begin() + 12);
    std::copy_n(pair.initiation.begin() + 8, 4, datagram.begin() + 8);
    receive(pair.a, datagram);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const ByteView input{data + 1, size - 1};
    Bytes datagram{input.begin(), input.end()};
    Pair pair;
    switch (data[0] % 7) {
        case 0:
            knock(pair.b_public, datagram);
            receive(pair.b, datagram);
            break;
        case 1:
            correct_mac1(datagram, pair.b_public);
            knock(pair.b_public, datagram);
            receive(pair.b, datagram);
            break;
        case 2:
            datagram = pair.initiation;
            mix(datagram, input);
            correct_mac1(datagram, pair.b_public);
            if (differ(datagram, pair.initiation)) receive(pair.b, datagram);
            break;
        case 3: {
            const auto valid = pair.answer();
            datagram = valid;
            mix(datagram, input);
            std::copy_n(valid.begin() + 8, 4,
                        datagram.begin() + 8);  // the sender index, which nothing depends on
            correct_mac1(datagram, pair.a_public);
            if (differ(datagram, valid)) receive(pair.a, datagram);
            break;
        }
        case 4:
            parse_payloads(input);
            break;
        case 5:
            call(pair, input);
            break;
        default:
            give_cookie(pair, input);
            break;
    }
    return 0;
}
