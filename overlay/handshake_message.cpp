#include "overlay/handshake_message.h"

#include <algorithm>
#include <cstring>
#include <string_view>
#include <utility>

#include "crypto/noise.h"
#include "overlay/worker_pairing.h"
#include "vswitch/wire.h"

namespace weft {

namespace {

constexpr std::uint8_t protocol_version = 1;
constexpr std::size_t mac_size = 16;
constexpr std::string_view mac1_label = "weft mac1 v1";
constexpr std::string_view prologue_label = "weft v1 handshake";

struct InitiationHeader {
    ControlHeader control;
    be32 sender;
};

struct ResponseHeader {
    InitiationHeader common;
    be32 receiver;
};

static_assert(sizeof(InitiationHeader) == 12 && sizeof(ResponseHeader) == 16);

constexpr std::size_t initiation_payload_size(std::size_t ciphers) {
    return 12 + 1 + ciphers + InboundSpis::size;
}

static_assert(sizeof(InitiationHeader) + noise_message_1_overhead +
                  initiation_payload_size(max_offered_ciphers) + 2 * mac_size <=
              max_control_size);

// What a Noise message of each type can measure.
struct SizeRange {
    std::size_t least;
    std::size_t most;
};

constexpr SizeRange noise_sizes(ControlType type) {
    if (type == ControlType::initiation) {
        return {noise_message_1_overhead + initiation_payload_size(1),
                noise_message_1_overhead + initiation_payload_size(max_offered_ciphers)};
    }
    return {noise_message_2_overhead + ResponsePayload::size,
            noise_message_2_overhead + ResponsePayload::size};
}

ByteView view(std::string_view text) noexcept {
    return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

std::optional<Cipher> known_cipher(std::uint8_t value) noexcept {
    switch (static_cast<Cipher>(value)) {
        case Cipher::aes_128_gcm:
        case Cipher::aes_256_gcm:
        case Cipher::chacha20_poly1305:
            return static_cast<Cipher>(value);
    }
    return std::nullopt;
}

std::uint32_t load32(ByteView bytes) noexcept {
    be32 value;
    std::memcpy(&value, bytes.data(), sizeof value);
    return value;
}

void store32(std::span<std::uint8_t> bytes, std::uint32_t value) noexcept {
    const be32 wire{value};
    std::memcpy(bytes.data(), &wire, sizeof wire);
}

Mac compute_mac1(const Mac1Key& key, ByteView bytes) noexcept {
    Mac tag{};
    blake2s_mac(key, bytes, tag);
    return tag;
}

}  // namespace

ControlHeader ControlHeader::of(ControlType type) noexcept {
    return {.marker = 0,
            .type = static_cast<std::uint8_t>(type),
            .version = protocol_version,
            .extension_size = 0};
}

bool ControlHeader::is(ControlType wanted) const noexcept {
    return marker.value() == 0 && type == static_cast<std::uint8_t>(wanted) && version == protocol_version &&
           extension_size.value() == 0;
}

Mac1Key mac1_key(const PublicKey& recipient) noexcept {
    Mac1Key key{};
    blake2s({view(mac1_label), recipient.bytes}, key);
    return key;
}

std::optional<ControlFrame> ControlFrame::parse(ByteView datagram) noexcept {
    InitiationHeader header;
    if (datagram.size() < sizeof header) return std::nullopt;
    std::memcpy(&header, datagram.data(), sizeof header);
    const auto type =
        header.control.is(ControlType::initiation) ? ControlType::initiation : ControlType::response;
    if (!header.control.is(type)) return std::nullopt;

    const auto header_size =
        type == ControlType::initiation ? sizeof(InitiationHeader) : sizeof(ResponseHeader);
    const auto sizes = noise_sizes(type);
    const auto around = header_size + 2 * mac_size;
    if (datagram.size() < around + sizes.least || datagram.size() > around + sizes.most) return std::nullopt;

    const auto maced = datagram.first(datagram.size() - 2 * mac_size);
    return ControlFrame{.type = type,
                        .sender = header.sender,
                        .receiver = type == ControlType::response ? load32(datagram.subspan(12)) : 0,
                        .header = datagram.first(header_size),
                        .noise = maced.subspan(header_size),
                        .maced = maced,
                        .maced_by_mac2 = datagram.first(datagram.size() - mac_size),
                        .mac1 = datagram.subspan(maced.size()).first<mac_size>(),
                        .mac2 = datagram.last<mac_size>()};
}

bool ControlFrame::is_for(const Mac1Key& key) const noexcept {
    return equal_in_constant_time(compute_mac1(key, maced), mac1);
}

bool ControlFrame::has_mac2() const noexcept {
    return std::ranges::any_of(mac2, [](std::uint8_t byte) { return byte != 0; });
}

bool ControlFrame::proves(const Cookie& cookie) const noexcept {
    return equal_in_constant_time(cookie_mac(cookie, maced_by_mac2), mac2);
}

ControlBuilder::ControlBuilder(ControlType type, std::size_t header_size, std::uint32_t sender,
                               std::size_t noise_size)
    : header_size_(header_size), bytes_(header_size + noise_size + 2 * mac_size) {
    const InitiationHeader header{.control = ControlHeader::of(type), .sender = sender};
    std::memcpy(bytes_.data(), &header, sizeof header);
}

ControlBuilder ControlBuilder::initiation(std::uint32_t sender, std::size_t noise_size) {
    return {ControlType::initiation, sizeof(InitiationHeader), sender, noise_size};
}

ControlBuilder ControlBuilder::response(std::uint32_t sender, std::uint32_t receiver,
                                        std::size_t noise_size) {
    ControlBuilder builder{ControlType::response, sizeof(ResponseHeader), sender, noise_size};
    store32(std::span{builder.bytes_}.subspan(sizeof(InitiationHeader)), receiver);
    return builder;
}

std::span<std::uint8_t> ControlBuilder::noise() noexcept {
    return std::span{bytes_}.subspan(header_size_, bytes_.size() - header_size_ - 2 * mac_size);
}

ControlBuilder::Finished ControlBuilder::finish(const Mac1Key& recipient, const Cookie* cookie) && {
    const auto maced = bytes_.size() - 2 * mac_size;
    const auto mac1 = compute_mac1(recipient, ByteView{bytes_}.first(maced));
    std::ranges::copy(mac1, std::span{bytes_}.subspan(maced).begin());
    if (cookie != nullptr) {
        const auto mac2 = cookie_mac(*cookie, ByteView{bytes_}.first(maced + mac_size));
        std::ranges::copy(mac2, std::span{bytes_}.last<mac_size>().begin());
    }
    return {std::move(bytes_), mac1};
}

std::vector<std::uint8_t> handshake_prologue(ByteView initiation_header) {
    const auto label = view(prologue_label);
    std::vector<std::uint8_t> prologue(label.size() + initiation_header.size());
    std::ranges::copy(initiation_header, std::ranges::copy(label, prologue.begin()).out);
    return prologue;
}

Timestamp Timestamp::at(std::chrono::system_clock::time_point wall) noexcept {
    using namespace std::chrono;
    const auto whole = floor<seconds>(wall);
    const auto label =
        (std::uint64_t{1} << 62U) + 10 + static_cast<std::uint64_t>(whole.time_since_epoch().count());
    const be64 wire_seconds{label};
    const be32 wire_nanoseconds{static_cast<std::uint32_t>(duration_cast<nanoseconds>(wall - whole).count())};
    Timestamp stamp;
    std::memcpy(stamp.bytes.data(), &wire_seconds, 8);
    std::memcpy(stamp.bytes.data() + 8, &wire_nanoseconds, 4);
    return stamp;
}

std::chrono::system_clock::time_point Timestamp::wall() const noexcept {
    using namespace std::chrono;
    be64 label;
    be32 wire_nanoseconds;
    std::memcpy(&label, bytes.data(), 8);
    std::memcpy(&wire_nanoseconds, bytes.data() + 8, 4);
    const auto whole = static_cast<std::int64_t>(label.value() - (std::uint64_t{1} << 62U) - 10);
    return system_clock::time_point{seconds{whole} + nanoseconds{wire_nanoseconds.value()}};
}

// The last of the SPIs is still one: they do not wrap around.
std::optional<InboundSpis> InboundSpis::parse(std::span<const std::uint8_t, size> bytes) noexcept {
    const InboundSpis spis{bytes[0], load32(bytes.last<4>())};
    if (spis.workers == 0 || spis.workers > max_workers) return std::nullopt;
    if (spis.first < min_spi || spis.first > UINT32_MAX - (max_workers - 1)) return std::nullopt;
    if (spis.first % spis.workers != 0) return std::nullopt;
    return spis;
}

void InboundSpis::write(std::span<std::uint8_t, size> bytes) const noexcept {
    bytes[0] = static_cast<std::uint8_t>(workers);
    store32(bytes.last<4>(), first);
}

std::optional<InitiationPayload> InitiationPayload::parse(ByteView bytes) {
    InitiationPayload payload;
    if (bytes.size() < initiation_payload_size(1)) return std::nullopt;
    std::ranges::copy(bytes.first(12), payload.timestamp.bytes.begin());
    const std::size_t count = bytes[12];
    if (count == 0 || count > max_offered_ciphers || bytes.size() != initiation_payload_size(count)) {
        return std::nullopt;
    }
    for (const auto value : bytes.subspan(13, count)) {
        if (const auto cipher = known_cipher(value)) payload.ciphers.push_back(*cipher);
    }
    const auto inbound = InboundSpis::parse(bytes.last<InboundSpis::size>());
    if (!inbound) return std::nullopt;
    payload.inbound = *inbound;
    return payload;
}

std::vector<std::uint8_t> InitiationPayload::serialize() const {
    std::vector<std::uint8_t> bytes{timestamp.bytes.begin(), timestamp.bytes.end()};
    bytes.push_back(static_cast<std::uint8_t>(ciphers.size()));
    for (const auto cipher : ciphers) bytes.push_back(static_cast<std::uint8_t>(cipher));
    bytes.resize(bytes.size() + InboundSpis::size);
    inbound.write(std::span{bytes}.last<InboundSpis::size>());
    return bytes;
}

std::optional<ResponsePayload> ResponsePayload::parse(std::span<const std::uint8_t, size> bytes) noexcept {
    const auto cipher = known_cipher(bytes[0]);
    const auto inbound = InboundSpis::parse(bytes.last<InboundSpis::size>());
    if (!cipher || !inbound) return std::nullopt;
    return ResponsePayload{*cipher, *inbound};
}

std::array<std::uint8_t, ResponsePayload::size> ResponsePayload::serialize() const noexcept {
    std::array<std::uint8_t, size> bytes{static_cast<std::uint8_t>(cipher)};
    inbound.write(std::span{bytes}.last<InboundSpis::size>());
    return bytes;
}

}  // namespace weft
