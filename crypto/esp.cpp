#include "crypto/esp.h"

#include <algorithm>
#include <array>

namespace weft {

namespace {

constexpr std::size_t sequence_offset = 4;
constexpr std::size_t iv_offset = 8;
constexpr std::size_t iv_size = 8;
constexpr std::size_t trailer_size = 2;  // pad length, next header
constexpr std::size_t alignment = 4;

using Nonce = std::array<std::uint8_t, aead_nonce_size>;
using Associated = std::array<std::uint8_t, 12>;  // SPI, 64-bit sequence number

void store_be32(std::uint8_t* at, std::uint32_t value) noexcept {
    for (unsigned i = 0; i < 4; ++i) at[i] = static_cast<std::uint8_t>(value >> (24 - 8 * i));
}

void store_be64(std::uint8_t* at, std::uint64_t value) noexcept {
    store_be32(at, static_cast<std::uint32_t>(value >> 32U));
    store_be32(at + 4, static_cast<std::uint32_t>(value));
}

std::uint32_t load_be32(const std::uint8_t* at) noexcept {
    std::uint32_t value = 0;
    for (unsigned i = 0; i < 4; ++i) value = value << 8U | at[i];
    return value;
}

Nonce nonce_of(std::span<const std::uint8_t, 4> salt, std::span<const std::uint8_t> packet) noexcept {
    Nonce nonce{};
    const auto iv = std::copy(salt.begin(), salt.end(), nonce.begin());
    std::copy_n(packet.begin() + iv_offset, iv_size, iv);
    return nonce;
}

Associated associated_data(std::uint32_t spi, std::uint64_t sequence) noexcept {
    Associated associated{};
    store_be32(associated.data(), spi);
    store_be64(associated.data() + 4, sequence);
    return associated;
}

// Padding is 1, 2, 3, ... (RFC 4303 section 2.4), up to 255 bytes of it.
bool is_padding(std::span<const std::uint8_t> bytes) noexcept {
    for (std::size_t i = 0; i < bytes.size(); ++i)
        if (bytes[i] != i + 1) return false;
    return true;
}

EspError replay_error(ReplayWindow::Answer answer) noexcept {
    return answer == ReplayWindow::Answer::replayed ? EspError::replayed : EspError::too_old;
}

// A packet from below the window has been taken for one of the next 2^32 numbers. If it is nearer to the past
// than to the future, it is called what it most likely is; nothing but the name of the drop hangs on this
// guess.
EspError integrity_error(std::uint64_t sequence, std::uint64_t highest) noexcept {
    constexpr std::uint64_t two_32 = std::uint64_t{1} << 32U;
    const bool nearer_to_past = sequence > two_32 && sequence > highest && sequence - highest > two_32 / 2;
    return nearer_to_past ? EspError::too_old : EspError::auth_failed;
}

}  // namespace

// 1. take a sequence number        2. SPI, sequence number, IV in front
// 3. padding and trailer behind    4. encrypt payload to trailer, ICV at the end
std::expected<std::size_t, EspError> Esp::seal(OutboundSa& sa, std::span<std::uint8_t> buffer,
                                               std::size_t payload_size, std::uint8_t next_header) noexcept {
    if (payload_size > buffer.size() || sealed_size(payload_size) > buffer.size())
        return std::unexpected{EspError::truncated};
    if (sa.exhausted()) return std::unexpected{EspError::exhausted};
    const std::span packet = buffer.first(sealed_size(payload_size));
    const std::uint64_t sequence = sa.take_sequence();
    store_be32(packet.data(), sa.spi_);
    store_be32(packet.data() + sequence_offset, static_cast<std::uint32_t>(sequence));
    store_be64(packet.data() + iv_offset, sequence);

    const std::span text = packet.subspan(header_size, packet.size() - header_size - aead_tag_size);
    const std::size_t pad_size = text.size() - payload_size - trailer_size;
    for (std::size_t i = 0; i < pad_size; ++i) text[payload_size + i] = static_cast<std::uint8_t>(i + 1);
    text[text.size() - 2] = static_cast<std::uint8_t>(pad_size);
    text[text.size() - 1] = next_header;

    sa.aead_.seal(nonce_of(sa.salt_, packet), associated_data(sa.spi_, sequence), text,
                  packet.last<aead_tag_size>());
    return packet.size();
}

// 1. sizes                     2. the whole sequence number    3. replay check
// 4. ICV, decrypt              5. replay mark                  6. trailer and padding
//
// The mark stands even if the padding is bad: the packet was genuine, and its number has been used.
std::expected<Esp::Opened, EspError> Esp::open(InboundSa& sa, std::span<const std::uint8_t> packet,
                                               std::span<std::uint8_t> plain) noexcept {
    if (packet.size() < min_size || packet.size() % alignment != 0 ||
        plain.size() < opened_room(packet.size())) {
        return std::unexpected{EspError::truncated};
    }
    const std::uint64_t sequence = sa.infer_sequence(load_be32(packet.data() + sequence_offset));
    const ReplayWindow::Answer answer = sa.window_.check(sequence);
    if (answer != ReplayWindow::Answer::fresh) return std::unexpected{replay_error(answer)};

    const std::span text = plain.first(opened_room(packet.size()));
    if (!sa.aead_.open(nonce_of(sa.salt_, packet), associated_data(spi_of(packet), sequence),
                       packet.subspan(header_size, text.size()), text, packet.last<aead_tag_size>())) {
        return std::unexpected{integrity_error(sequence, sa.window_.highest())};
    }
    sa.window_.mark(sequence);

    const std::size_t pad_size = text[text.size() - 2];
    if (pad_size > text.size() - trailer_size) return std::unexpected{EspError::bad_padding};
    const std::size_t payload_size = text.size() - trailer_size - pad_size;
    if (!is_padding(text.subspan(payload_size, pad_size))) return std::unexpected{EspError::bad_padding};
    return Opened{.payload_size = payload_size, .next_header = text.back(), .sequence = sequence};
}

std::uint32_t Esp::spi_of(std::span<const std::uint8_t> packet) noexcept {
    return load_be32(packet.data());
}

}  // namespace weft
