// Every key that a configuration file may have: in which section, of which type, whether it must be there,
// and how it is written. This is the one list of keys; docs/configuration.md explains each.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace weft::config {

enum class Kind : std::uint8_t {
    text,
    integer,
    boolean,
    integer_or_text,
    texts,
    integers,
    table,
    tables,
    number,   // an integer or a float
    scalar,   // a text, a number or a boolean
    scalars,  // a text or an integer, or a list of them
};

struct Key {
    std::string_view name;
    Kind kind;
    bool required;
    std::string_view example;    // a whole line of the file
    std::string_view meaning{};  // a sentence, for an editor
};

struct Schema {
    std::string_view title;  // as messages name the section
    std::span<const Key> keys;

    [[nodiscard]] const Key* find(std::string_view name) const noexcept;
};

extern const Schema file_schema;
extern const Schema node_schema;
extern const Schema underlay_schema;
extern const Schema offload_schema;
extern const Schema fast_path_schema;
extern const Schema bridge_schema;
extern const Schema port_schema;
extern const Schema impairment_schema;            // of [link.impair], and a direction of [port.impair]
extern const Schema scheduled_impairment_schema;  // an entry of its `schedule`
extern const Schema port_impairment_schema;       // of [port.impair]
extern const Schema route_schema;
extern const Schema peer_schema;
extern const Schema manual_schema;
extern const Schema manual_sa_schema;

}  // namespace weft::config
