// Every key that a lab's file may have, as config/schema.h has those of a node's; docs/lab.md explains each.
// Of these tables are the checks of the file, and the JSON Schema (2020-12) by which editors know it.
#pragma once

#include <string>

#include "config/schema.h"

namespace weft::lab {

extern const config::Schema lab_file_schema;
extern const config::Schema lab_schema;
extern const config::Schema template_schema;  // but for the keys that it is there for
extern const config::Schema host_schema;
extern const config::Schema router_schema;
extern const config::Schema site_schema;
extern const config::Schema interface_schema;
extern const config::Schema link_schema;
extern const config::Schema host_route_schema;
extern const config::Schema event_schema;
extern const config::Schema step_schema;
extern const config::Schema traffic_schema;

// The keys of [[bridge]], and some of a lab's.
const config::Schema& switch_schema();

// The JSON Schema of a lab's file, as text. It knows which keys there are and of which types; what values
// mean is checked by parse() (topology_file.h) only.
std::string json_schema();

}  // namespace weft::lab
