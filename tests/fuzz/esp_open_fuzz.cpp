// Opens any bytes as an ESP packet, four ways: as they are; as the text of a genuine packet, which reaches
// the checks behind the ICV; as a mutation of a sealed packet, which must not open unless it changes nothing;
// and as the order in which genuine packets arrive, of which each opens once, if it is not too old.
#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <set>
#include <span>
#include <vector>

#include "crypto/esp.h"

namespace {

using Bytes = std::vector<std::uint8_t>;

weft::SaKeys fixed_keys(weft::Cipher cipher) {
    weft::SaKeys keys;
    keys.spi = 0x01020304;
    keys.cipher = cipher;
    std::ranges::fill(keys.key.writable(), std::uint8_t{0x42});
    return keys;
}

void require(bool holds) {
    if (!holds) std::abort();
}

// The fuzzer may well come upon a genuine packet: it watches the comparisons of the other ways.
void open_as_packet(const weft::SaKeys& keys, std::span<const std::uint8_t> input) {
    weft::InboundSa sa{keys};
    Bytes packet{input.begin(), input.end()};
    const auto opened = weft::Esp::open_in_place(sa, packet);
    if (opened) {
        require(weft::Esp::header_size + opened->payload_size + 2 + weft::aead_tag_size <= packet.size());
    } else if (opened.error() != weft::EspError::bad_padding) {
        require(sa.window().highest() == 0);
    }
}

// The first packet of an SA, its text as given: any trailer, any padding.
void open_as_text(const weft::SaKeys& keys, std::span<const std::uint8_t> input) {
    constexpr std::array<std::uint8_t, 16> header{1, 2, 3, 4, 0, 0, 0, 1};
    constexpr std::array<std::uint8_t, 12> associated{1, 2, 3, 4, 0, 0, 0, 0, 0, 0, 0, 1};
    constexpr std::array<std::uint8_t, 12> nonce{};
    Bytes packet{header.begin(), header.end()};
    packet.insert(packet.end(), input.begin(), input.end());
    packet.resize(packet.size() + weft::aead_tag_size);
    const std::span all{packet};
    weft::Aead{keys.cipher, std::span{keys.key.bytes()}.first(weft::key_size(keys.cipher)),
               weft::Aead::Direction::seal}
        .seal(nonce, associated, all.subspan(header.size(), input.size()), all.last<weft::aead_tag_size>());

    weft::InboundSa sa{keys};
    const auto opened = weft::Esp::open_in_place(sa, packet);
    if (opened) {
        const std::size_t pad_size = input[input.size() - 2];
        require(opened->payload_size + pad_size + 2 == input.size());
        require(opened->next_header == input.back());
        require(std::ranges::equal(input.first(opened->payload_size),
                                   all.subspan(header.size(), opened->payload_size)));
    } else {
        require(opened.error() == weft::EspError::truncated || opened.error() == weft::EspError::bad_padding);
    }
}

// Seals the first half, and lays the second half over the packet at the place that its first byte gives.
void open_mutated(const weft::SaKeys& keys, std::span<const std::uint8_t> input) {
    weft::OutboundSa outbound{keys};
    weft::InboundSa inbound{keys};
    const auto payload = input.first(input.size() / 2);
    const auto mutation = input.subspan(payload.size());
    Bytes packet(weft::Esp::sealed_size(payload.size()));
    std::ranges::copy(payload, packet.begin() + weft::Esp::header_size);
    require(weft::Esp::seal(outbound, packet, payload.size(), 17) == packet.size());

    Bytes mutated = packet;
    for (std::size_t i = 1; i < mutation.size(); ++i)
        mutated[(mutation[0] + i) % mutated.size()] ^= mutation[i];
    if (mutated != packet) require(!weft::Esp::open_in_place(inbound, mutated).has_value());
    const auto opened = weft::Esp::open_in_place(inbound, packet);
    require(opened && opened->payload_size == payload.size() && opened->next_header == 17);
    require(std::ranges::equal(payload, std::span{packet}.subspan(weft::Esp::header_size, payload.size())));
}

// Two bytes a packet, a number with its sign in the lowest bit: how far its sequence number is from the one
// before it. The first is the low half's distance from the wrap, where the high half must be inferred.
void open_in_order(const weft::SaKeys& keys, std::span<const std::uint8_t> input) {
    constexpr std::size_t window = 512;
    constexpr std::uint64_t wrap = std::uint64_t{1} << 32U;
    std::uint64_t highest = wrap - 1000;
    weft::InboundSa inbound{keys, window, highest};
    std::set<std::uint64_t> opened;
    std::uint64_t sequence = highest;
    for (std::size_t i = 0; i + 1 < input.size() && i < 256; i += 2) {
        const std::uint64_t number = input[i] | static_cast<unsigned>(input[i + 1]) << 8U;
        sequence = number % 2 == 0 ? sequence + number / 2 : sequence - std::min(sequence - 1, number / 2);
        weft::OutboundSa outbound{keys, sequence};
        Bytes packet(weft::Esp::sealed_size(0));
        require(weft::Esp::seal(outbound, packet, 0, 59) == packet.size());
        const bool is_new = sequence > highest || (sequence + inbound.window().size() > highest &&
                                                   sequence > wrap - 1000 && !opened.contains(sequence));
        require(weft::Esp::open_in_place(inbound, packet).has_value() == is_new);
        if (is_new) opened.insert(sequence);
        highest = std::max(highest, is_new ? sequence : 0);
        require(inbound.window().highest() == highest);
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    constexpr weft::Cipher ciphers[] = {weft::Cipher::aes_128_gcm, weft::Cipher::aes_256_gcm,
                                        weft::Cipher::chacha20_poly1305};
    if (size == 0) return 0;
    const weft::SaKeys keys = fixed_keys(ciphers[data[0] % 3]);
    const std::span input{data + 1, size - 1};
    open_as_packet(keys, input);
    open_as_text(keys, input);
    open_mutated(keys, input);
    open_in_order(keys, input);
    return 0;
}
