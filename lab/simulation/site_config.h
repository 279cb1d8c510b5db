// The configuration of a simulated weftd: its production file, read as weftd reads it, but for what a
// simulation has not.
//
// A key file that is not there, or not to be read, is no error: another key takes its place. A site whose own
// key is made up has one of its own, derived from the lab's seed and its name, and its peers know it by its
// name: the [[peer]] of another site whose `name` is that of the site's [node], or of its node in the lab.
// Preshared keys that are made up are the same everywhere. Keys set by hand ([peer.manual]) must be there.
//
// Endpoints that are names of the lab's nodes (hosts_file.h) become addresses.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "config/config.h"
#include "lab/topology.h"

namespace weft::lab {

struct SiteConfig {
    NodeIndex node = 0;
    config::Config config;
    bool has_own_key = true;             // else it is made up
    std::vector<std::string> made_keys;  // paths of the files that were not to be had
};

struct SiteConfigs {
    std::vector<SiteConfig> sites;      // in the order of the nodes
    std::vector<std::string> problems;  // "FILE:LINE:COLUMN: what: cure", or "FILE: what: cure"
};

// Of all sites of the lab. What has a problem is not among the sites.
SiteConfigs load_sites(const Topology& topology);

}  // namespace weft::lab
