#include "crypto/noise.h"

#include <algorithm>
#include <utility>

#include "crypto/aead.h"

namespace weft {

namespace {

constexpr std::size_t key_bytes = 32;
constexpr std::size_t sealed_key_bytes = key_bytes + aead_tag_size;

std::string_view protocol_name(NoisePattern pattern) noexcept {
    return pattern == NoisePattern::ik ? "Noise_IK_25519_ChaChaPoly_BLAKE2s"
                                       : "Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s";
}

ByteView view(std::string_view text) noexcept {
    return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

// HKDF of section 4.3: each output is the HMAC of the one before and its number.
template <class... Outputs>
void hkdf(const Secret<32>& chaining_key, ByteView input, Outputs&... outputs) noexcept {
    Secret<32> extracted;
    hmac_blake2s(chaining_key.bytes(), {input}, extracted.writable());
    std::uint8_t number = 0;
    ByteView previous;
    const auto expand = [&](Secret<32>& output) {
        ++number;
        hmac_blake2s(extracted.bytes(), {previous, ByteView{&number, 1}}, output.writable());
        previous = output.bytes();
    };
    (expand(outputs), ...);
}

// Section 12: 32 bits of zeros, then the counter in little-endian order.
std::array<std::uint8_t, aead_nonce_size> aead_nonce(std::uint64_t counter) noexcept {
    std::array<std::uint8_t, aead_nonce_size> nonce{};
    for (std::size_t i = 0; i < 8; ++i) nonce[4 + i] = static_cast<std::uint8_t>(counter >> (8 * i));
    return nonce;
}

bool mix_agreement(NoiseSymmetric& state, const X25519& own, const PublicKey& other) noexcept {
    const auto shared = own.agree(other);
    if (!shared) return false;
    state.mix_key(shared->bytes());
    return true;
}

// Token "e". In a psk handshake ephemeral keys enter the chaining key too (section 9.2).
void mix_ephemeral(NoiseSymmetric& state, NoisePattern pattern, const PublicKey& ephemeral) noexcept {
    state.mix_hash(ephemeral.bytes);
    if (pattern == NoisePattern::ik_psk2) state.mix_key(ephemeral.bytes);
}

PublicKey take_public_key(ByteView bytes) noexcept {
    PublicKey key;
    std::ranges::copy(bytes.first<key_bytes>(), key.bytes.begin());
    return key;
}

NoiseSymmetric start(NoisePattern pattern, ByteView prologue, const PublicKey& responder_static) noexcept {
    NoiseSymmetric state{protocol_name(pattern)};
    state.mix_hash(prologue);
    state.mix_hash(responder_static.bytes);
    return state;
}

}  // namespace

std::optional<NoiseRemote> NoiseRemote::make(const X25519& local, const PublicKey& static_key,
                                             const PresharedKey& preshared_key) noexcept {
    auto shared = local.agree(static_key);
    if (!shared) return std::nullopt;
    return NoiseRemote{static_key, std::move(*shared), preshared_key.clone()};
}

NoiseSymmetric::NoiseSymmetric(std::string_view protocol_name) noexcept {
    if (protocol_name.size() <= hash_.size()) {
        std::ranges::copy(view(protocol_name), hash_.begin());
    } else {
        blake2s({view(protocol_name)}, hash_);
    }
    chaining_key_ = Secret<32>{hash_};
}

NoiseSymmetric NoiseSymmetric::clone() const noexcept {
    NoiseSymmetric copy{{}};
    copy.hash_ = hash_;
    copy.chaining_key_ = chaining_key_.clone();
    copy.key_ = key_.clone();
    copy.nonce_ = nonce_;
    return copy;
}

void NoiseSymmetric::mix_hash(ByteView data) noexcept {
    const auto before = hash_;
    blake2s({before, data}, hash_);
}

void NoiseSymmetric::mix_key(ByteView input) noexcept {
    Secret<32> next;
    hkdf(chaining_key_, input, next, key_);
    chaining_key_ = std::move(next);
    nonce_ = 0;
}

void NoiseSymmetric::mix_key_and_hash(ByteView input) noexcept {
    Secret<32> next;
    Secret<32> hashed;
    hkdf(chaining_key_, input, next, hashed, key_);
    chaining_key_ = std::move(next);
    mix_hash(hashed.bytes());
    nonce_ = 0;
}

void NoiseSymmetric::encrypt_and_hash(ByteView text, std::span<std::uint8_t> sealed) {
    std::ranges::copy(text, sealed.begin());
    Aead aead{Cipher::chacha20_poly1305, key_.bytes(), Aead::Direction::seal, AeadBackend::openssl};
    aead.seal(aead_nonce(nonce_++), hash_, sealed.first(text.size()), sealed.last<aead_tag_size>());
    mix_hash(sealed);
}

bool NoiseSymmetric::decrypt_and_hash(ByteView sealed, std::span<std::uint8_t> text) {
    Aead aead{Cipher::chacha20_poly1305, key_.bytes(), Aead::Direction::open, AeadBackend::openssl};
    const auto tag = sealed.last<aead_tag_size>();
    if (!aead.open(aead_nonce(nonce_), hash_, sealed.first(text.size()), text, tag)) return false;
    ++nonce_;
    mix_hash(sealed);
    return true;
}

NoiseKeys NoiseSymmetric::split() const noexcept {
    NoiseKeys keys;
    hkdf(chaining_key_, {}, keys.initiator_to_responder, keys.responder_to_initiator);
    return keys;
}

NoiseInitiator::NoiseInitiator(NoisePattern pattern, ByteView prologue, const X25519& local,
                               const NoiseRemote& remote, const Secret<32>& ephemeral)
    : pattern_(pattern),
      state_(start(pattern, prologue, remote.static_key)),
      local_(&local),
      remote_(&remote),
      ephemeral_(ephemeral) {}

bool NoiseInitiator::write_message(ByteView payload, std::span<std::uint8_t> message) {
    std::ranges::copy(ephemeral_.public_key().bytes, message.begin());
    mix_ephemeral(state_, pattern_, ephemeral_.public_key());
    if (!mix_agreement(state_, ephemeral_, remote_->static_key)) return false;                          // es
    state_.encrypt_and_hash(local_->public_key().bytes, message.subspan(key_bytes, sealed_key_bytes));  // s
    state_.mix_key(remote_->static_shared.bytes());                                                     // ss
    state_.encrypt_and_hash(payload, message.subspan(key_bytes + sealed_key_bytes));
    return true;
}

bool NoiseInitiator::read_message(ByteView message, std::span<std::uint8_t> payload) {
    auto state = state_.clone();
    const auto remote_ephemeral = take_public_key(message);
    mix_ephemeral(state, pattern_, remote_ephemeral);
    if (!mix_agreement(state, ephemeral_, remote_ephemeral)) return false;  // ee
    if (!mix_agreement(state, *local_, remote_ephemeral)) return false;     // se
    if (pattern_ == NoisePattern::ik_psk2) state.mix_key_and_hash(remote_->preshared_key.bytes());
    if (!state.decrypt_and_hash(message.subspan(key_bytes), payload)) return false;
    state_ = std::move(state);
    return true;
}

NoiseResponder::NoiseResponder(NoisePattern pattern, ByteView prologue, const X25519& local) noexcept
    : pattern_(pattern), state_(start(pattern, prologue, local.public_key())), local_(&local) {}

std::optional<PublicKey> NoiseResponder::read_static(ByteView message) {
    remote_ephemeral_ = take_public_key(message);
    mix_ephemeral(state_, pattern_, remote_ephemeral_);
    if (!mix_agreement(state_, *local_, remote_ephemeral_)) return std::nullopt;  // es
    PublicKey remote_static;
    if (!state_.decrypt_and_hash(message.subspan(key_bytes, sealed_key_bytes), remote_static.bytes)) {
        return std::nullopt;
    }
    sealed_payload_ = message.subspan(key_bytes + sealed_key_bytes);
    return remote_static;
}

bool NoiseResponder::read_payload(const NoiseRemote& remote, std::span<std::uint8_t> payload) {
    remote_ = &remote;
    state_.mix_key(remote.static_shared.bytes());  // ss
    return state_.decrypt_and_hash(sealed_payload_, payload);
}

bool NoiseResponder::write_message(const Secret<32>& ephemeral, ByteView payload,
                                   std::span<std::uint8_t> message) {
    const X25519 own{ephemeral};
    std::ranges::copy(own.public_key().bytes, message.begin());
    mix_ephemeral(state_, pattern_, own.public_key());
    if (!mix_agreement(state_, own, remote_ephemeral_)) return false;    // ee
    if (!mix_agreement(state_, own, remote_->static_key)) return false;  // se
    if (pattern_ == NoisePattern::ik_psk2) state_.mix_key_and_hash(remote_->preshared_key.bytes());
    state_.encrypt_and_hash(payload, message.subspan(key_bytes));
    return true;
}

}  // namespace weft
