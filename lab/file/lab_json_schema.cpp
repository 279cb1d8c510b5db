#include <array>
#include <string_view>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "lab/file/lab_schema.h"

namespace weft::lab {

namespace {

using config::Key;
using config::Kind;
using config::Schema;
using Json = nlohmann::ordered_json;

// What the table or the tables of a key are, where they are not free.
const Schema* schema_under(const Schema& schema, const Key& key) {
    struct Under {
        std::string_view title;
        std::string_view key;
        const Schema* schema;
    };

    static const std::array<Under, 18> all{{
        {"the file", "lab", &lab_schema},
        {"the file", "template", &template_schema},
        {"the file", "host", &host_schema},
        {"the file", "switch", &switch_schema()},
        {"the file", "router", &router_schema},
        {"the file", "site", &site_schema},
        {"the file", "interface", &interface_schema},
        {"the file", "link", &link_schema},
        {"the file", "event", &event_schema},
        {"the file", "step", &step_schema},
        {"the file", "traffic", &traffic_schema},
        {"[[host]]", "routes", &host_route_schema},
        {"[[site]]", "routes", &host_route_schema},
        {"[[router]]", "routes", &host_route_schema},
        {"[[link]]", "impair", &config::impairment_schema},
        {"[[link]]", "there", &config::impairment_schema},
        {"[[link]]", "back", &config::impairment_schema},
        {config::impairment_schema.title, "schedule", &config::scheduled_impairment_schema},
    }};
    for (const Under& under : all) {
        if (under.title == schema.title && under.key == key.name) return under.schema;
    }
    return nullptr;
}

Json object_of(const Schema& schema);

// A table of names and scalars; TOML makes tables of the dots in names.
Json free_object() {
    return {{"type", "object"},
            {"additionalProperties", {{"type", {"string", "number", "boolean", "object"}}}}};
}

Json type_of(const Schema& schema, const Key& key) {
    const Schema* under = schema_under(schema, key);
    switch (key.kind) {
        case Kind::text:
            if (key.name == "kind") return {{"enum", {"ping", "constant", "poisson", "tcp", "replay"}}};
            if (key.name == "direction") return {{"enum", {"there", "back"}}};
            return {{"type", "string"}};
        case Kind::integer:
            return {{"type", "integer"}};
        case Kind::boolean:
            return {{"type", "boolean"}};
        case Kind::integer_or_text:
            return {{"type", {"integer", "string"}}};
        case Kind::texts:
            return {{"type", "array"}, {"items", {{"type", "string"}}}};
        case Kind::integers:
            return {{"type", "array"}, {"items", {{"type", "integer"}}}};
        case Kind::table:
            return under == nullptr ? free_object() : object_of(*under);
        case Kind::tables:
            return {{"type", "array"}, {"items", under == nullptr ? free_object() : object_of(*under)}};
        case Kind::number:
            return {{"type", "number"}};
        case Kind::scalar:
            return {{"type", {"string", "number", "boolean"}}};
        case Kind::scalars:
            return {{"type", {"string", "integer", "array"}}, {"items", {{"type", {"string", "integer"}}}}};
    }
    return {};
}

Json object_of(const Schema& schema) {
    Json properties = Json::object();
    Json required = Json::array();
    for (const Key& key : schema.keys) {
        Json property = type_of(schema, key);
        property["description"] = key.meaning.empty() ? fmt::format("{}", key.example)
                                                      : fmt::format("{} {}", key.meaning, key.example);
        properties[std::string{key.name}] = std::move(property);
        if (key.required) required.push_back(key.name);
    }
    Json object{{"type", "object"}, {"properties", std::move(properties)}};
    // A template's own keys are those of the sections that take it over.
    object["additionalProperties"] = &schema == &template_schema;
    if (!required.empty() && (schema.find("template") == nullptr || &schema == &template_schema)) {
        object["required"] = std::move(required);
    } else if (!required.empty()) {
        object["anyOf"] = {{{"required", std::move(required)}}, {{"required", {"template"}}}};
    }
    return object;
}

}  // namespace

std::string json_schema() {
    Json schema{{"$schema", "https://json-schema.org/draft/2020-12/schema"}, {"title", "A lab of weft"}};
    schema.update(object_of(lab_file_schema));
    return schema.dump(2) + "\n";
}

}  // namespace weft::lab
