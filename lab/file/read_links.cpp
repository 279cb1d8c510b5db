// [[link]].
#include <algorithm>

#include <fmt/format.h>

#include "config/fields.h"
#include "lab/file/draft.h"
#include "lab/file/lab_fields.h"
#include "lab/file/lab_schema.h"

namespace weft::lab {

namespace {

using config::quoted;
using config::Section;

constexpr std::size_t most_links = 20'000;
constexpr std::uint16_t largest_mtu = 9216;

// "h1" or "h1:eth1".
EndDraft read_end(const Section& section, std::size_t which, const std::string& text) {
    EndDraft end;
    end.at = section.at("ends", which);
    const std::size_t colon = text.find(':');
    end.node = text.substr(0, colon);
    if (colon == std::string::npos) return end;
    end.interface = text.substr(colon + 1);
    if (const auto device = config::parse_device_name(end.interface); !device)
        section.report().add(end.at, device.error().what, device.error().cure);
    return end;
}

// A list with an element for each end, or none.
std::vector<std::string> of_each_end(const Section& section, std::string_view key) {
    auto texts = section.texts(key);
    if ((!texts.empty() || section.is_empty_list(key)) && texts.size() != 2) {
        section.problem(key, fmt::format("'{}' must have 2 elements, not {}", key, texts.size()),
                        "write one for each end, in the order of 'ends'");
        texts.clear();
    }
    return texts;
}

// "10.0.0.1/24", several with spaces between them, "auto" or "none".
void read_end_address(const Section& section, std::size_t which, std::string_view text, EndDraft& end) {
    end.addresses_at = section.at("address", which);
    if (text == "auto" || text.empty()) return;
    end.has_addresses = true;
    if (text == "none") return;
    while (!text.empty()) {
        const std::size_t space = std::min(text.find(' '), text.size());
        if (space > 0) {
            const auto address = config::parse_interface_address(text.substr(0, space));
            if (address) {
                end.addresses.push_back(*address);
            } else {
                section.report().add(end.addresses_at, address.error().what, address.error().cure);
            }
        }
        text.remove_prefix(std::min(space + 1, text.size()));
    }
}

void read_end_mac(const Section& section, std::size_t which, const std::string& text, EndDraft& end) {
    if (text == "auto" || text.empty()) return;
    if (const auto mac = config::parse_station_mac(text)) {
        end.mac = *mac;
    } else {
        section.report().add(section.at("mac", which), mac.error().what, mac.error().cure);
    }
}

void read_ends(const Section& section, LinkDraft& link) {
    const auto ends = section.texts("ends");
    if ((!ends.empty() || section.is_empty_list("ends")) && ends.size() != 2) {
        section.problem("ends", fmt::format("a link has two ends, not {}", ends.size()),
                        R"(write ends = ["h1", "s1"])");
    }
    for (std::size_t i = 0; i < 2 && ends.size() == 2; ++i) link.ends[i] = read_end(section, i, ends[i]);
    const auto addresses = of_each_end(section, "address");
    for (std::size_t i = 0; i < addresses.size(); ++i)
        read_end_address(section, i, addresses[i], link.ends[i]);
    const auto macs = of_each_end(section, "mac");
    for (std::size_t i = 0; i < macs.size(); ++i) read_end_mac(section, i, macs[i], link.ends[i]);
}

std::vector<VlanId> read_trunk(const Section& section) {
    std::vector<VlanId> trunk;
    const auto texts = section.scalars("trunk");
    for (std::size_t i = 0; i < texts.size(); ++i) {
        const bool is_number = !texts[i].empty() && texts[i].size() <= 5 &&
                               texts[i].find_first_not_of("0123456789") == std::string::npos;
        const auto vlan = config::parse_vlan(is_number ? std::stoi(texts[i]) : 0);
        if (!vlan) {
            section.report().add(section.at("trunk", i), fmt::format("{} is not a VLAN", quoted(texts[i])),
                                 vlan.error().cure);
        } else if (std::ranges::find(trunk, *vlan) != trunk.end()) {
            section.report().add(section.at("trunk", i),
                                 fmt::format("VLAN {} stands twice in 'trunk'", texts[i]), "remove one");
        } else {
            trunk.push_back(*vlan);
        }
    }
    return trunk;
}

void read_tags(const Section& section, LinkDraft& link) {
    if (const auto vlan = read_whole_number(section, "vlan", 1, max_vlan))
        link.vlan = VlanId{static_cast<std::uint16_t>(*vlan)};
    link.trunk = read_trunk(section);
    link.tags_at = section.at_key(section.has("vlan") ? "vlan" : "trunk");
    if (section.is_empty_list("trunk")) {
        section.problem("trunk", "a trunk without VLANs",
                        "write trunk = [10, 20], or remove it to carry them all");
    }
    if (section.has("vlan") && section.has("trunk")) {
        section.report().add(std::max(section.at_key("vlan"), section.at_key("trunk")),
                             "a port has either 'vlan' or 'trunk'",
                             "remove 'trunk' for an access port, 'vlan' for a trunk");
    }
}

// "h1--s1" may be longer than a node's name.
void read_link_name(const Section& section, LinkDraft& link) {
    if (section.has("name")) {
        link.name = config::read_name(section);
        link.at = section.at("name");
        link.is_named = true;
    } else {
        link.name = link.ends[0].node + "--" + link.ends[1].node;
        link.at = section.at("ends");
    }
}

}  // namespace

void read_links(Unfolder& unfolder, Draft& draft) {
    unfolder.each("link", link_schema, [&](const Section& section) {
        section.check();
        LinkDraft link;
        read_ends(section, link);
        read_link_name(section, link);
        if (const auto mtu = read_whole_number(section, "mtu", config::min_mtu, largest_mtu))
            link.mtu = static_cast<std::uint16_t>(*mtu);
        read_tags(section, link);
        link.impairment = read_link_impairment(section);
        if (draft.links.size() >= most_links) {
            section.problem("ends", fmt::format("more than {} links", most_links), "divide the lab");
            return;
        }
        draft.links.push_back(std::move(link));
    });
}

}  // namespace weft::lab
