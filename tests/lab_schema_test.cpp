// The keys of a lab's file, and the JSON Schema that is made of them.
#include "lab/file/lab_schema.h"

#include <set>
#include <string>
#include <vector>

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include "tests/support/lab_file.h"

namespace weft::test {

using namespace lab;
using Json = nlohmann::json;

TEST_CASE("the JSON Schema has each section with its keys, their types and what they mean") {
    const Json schema = Json::parse(json_schema());
    CHECK(schema["$schema"] == "https://json-schema.org/draft/2020-12/schema");
    CHECK(schema["additionalProperties"] == false);
    const Json& link = schema["properties"]["link"]["items"];
    CHECK(link["properties"]["ends"]["type"] == "array");
    CHECK(link["properties"]["impair"]["properties"].contains("loss"));
    CHECK(link["properties"]["impair"]["properties"]["schedule"]["items"]["required"][0] == "at");
    CHECK(link["properties"]["mtu"]["type"] == Json{"integer", "string"});
    // What must be there can be the template's.
    CHECK(link["anyOf"][0]["required"][0] == "ends");
    CHECK(link["anyOf"][1]["required"][0] == "template");
    CHECK(schema["properties"]["switch"]["items"]["properties"].contains("aging"));
    CHECK(schema["properties"]["switch"]["items"]["properties"].contains("count"));
    CHECK(schema["properties"]["traffic"]["items"]["properties"]["kind"]["enum"].size() == 5);
    CHECK(schema["properties"]["template"]["items"]["additionalProperties"] == true);
    CHECK(schema["properties"]["host"]["items"]["properties"]["sysctl"]["type"] == "object");
}

TEST_CASE("each key of a lab's own has a meaning, and an example that begins with it") {
    const std::vector<const config::Schema*> schemas{
        &lab_file_schema,  &lab_schema,  &template_schema,   &host_schema,  &router_schema, &site_schema,
        &interface_schema, &link_schema, &host_route_schema, &event_schema, &step_schema,   &traffic_schema};
    for (const config::Schema* schema : schemas) {
        std::set<std::string_view> names;
        for (const config::Key& key : schema->keys) {
            CAPTURE(schema->title);
            CAPTURE(key.name);
            CHECK(names.insert(key.name).second);
            CHECK(key.meaning.ends_with('.'));
            CHECK((key.example.starts_with(std::string{key.name} + " = ") ||
                   key.example.find("[" + std::string{key.name} + "]") != std::string_view::npos));
        }
    }
}

TEST_CASE("the same schema each time") {
    CHECK(json_schema() == json_schema());
}

}  // namespace weft::test
