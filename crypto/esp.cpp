#include "crypto/esp.h"

#include <array>
#include <bit>
#include <cstring>

namespace weft {

namespace {

constexpr std::size_t sequence_offset = 4;
constexpr std::size_t iv_offset = 8;
constexpr std::size_t trailer_size = 2;  // pad length, next header
constexpr std::size_t alignment = 4;
constexpr std::size_t max_pad_size = 3;  // that weft sends

// Between network and host order, for either direction.
template <class Integer>
Integer big_endian(Integer value) noexcept {
    return std::endian::native == std::endian::little ? std::byteswap(value) : value;
}

template <class Integer>
void store_be(std::uint8_t* at, Integer value) noexcept {
    const Integer stored = big_endian(value);
    std::memcpy(at, &stored, sizeof(stored));
}

template <class Integer>
Integer load_be(const std::uint8_t* at) noexcept {
    Integer stored;
    std::memcpy(&stored, at, sizeof(stored));
    return big_endian(stored);
}

// 4 bytes and 8 bytes, in network order: the form of the nonce (salt, IV) and of the associated data (SPI,
// 64-bit sequence number). Put together in registers and stored at once, because the cipher reads it back in
// vectors, and a CPU that has to gather a load from several fresh stores waits for all of them.
class TwelveBytes {
  public:
    TwelveBytes(std::uint32_t first, std::uint64_t rest) noexcept
        : words_(Words{big_endian(std::uint64_t{first} << 32U | rest >> 32U), big_endian(rest << 32U)}) {}

    [[nodiscard]] std::span<const std::uint8_t, 12> bytes() const noexcept {
        return std::span<const std::uint8_t, 12>{reinterpret_cast<const std::uint8_t*>(&words_), 12};
    }

  private:
    using Words [[gnu::vector_size(16)]] = std::uint64_t;

    Words words_;
};

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
    const std::uint64_t sequence = sa.take_sequence(packet.size());
    store_be(packet.data(), sa.keys_.spi);
    store_be(packet.data() + sequence_offset, static_cast<std::uint32_t>(sequence));
    store_be(packet.data() + iv_offset, sequence);

    // The longest padding is written whatever its size; trailer and ICV then cover what there is too much of.
    constexpr std::array<std::uint8_t, max_pad_size> padding{1, 2, 3};
    const std::span text = packet.subspan(header_size, packet.size() - header_size - aead_tag_size);
    const std::size_t pad_size = text.size() - payload_size - trailer_size;
    std::memcpy(text.data() + payload_size, padding.data(), padding.size());
    text[text.size() - 2] = static_cast<std::uint8_t>(pad_size);
    text[text.size() - 1] = next_header;

    const TwelveBytes nonce{load_be<std::uint32_t>(sa.keys_.salt.data()), sequence};
    const TwelveBytes associated{sa.keys_.spi, sequence};
    sa.aead_.seal(nonce.bytes(), associated.bytes(), text, packet.last<aead_tag_size>());
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
    const std::uint64_t sequence = sa.infer_sequence(load_be<std::uint32_t>(packet.data() + sequence_offset));
    const ReplayWindow::Answer answer = sa.window_.check(sequence);
    if (answer != ReplayWindow::Answer::fresh) return std::unexpected{replay_error(answer)};

    const std::span text = plain.first(opened_room(packet.size()));
    const TwelveBytes nonce{load_be<std::uint32_t>(sa.keys_.salt.data()),
                            load_be<std::uint64_t>(packet.data() + iv_offset)};
    const TwelveBytes associated{spi_of(packet), sequence};
    if (!sa.aead_.open(nonce.bytes(), associated.bytes(), packet.subspan(header_size, text.size()), text,
                       packet.last<aead_tag_size>())) {
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
    return load_be<std::uint32_t>(packet.data());
}

}  // namespace weft
