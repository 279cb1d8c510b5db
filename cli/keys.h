// Making keys at the command line, as `wg genkey`, `wg pubkey` and `wg genpsk` do: text in, text out, so that
// a secret goes through a pipe or into a file and never stands in an argument list.
#pragma once

#include "crypto/key.h"

namespace weft {

PrivateKey generate_private_key();  // clamped (RFC 7748 section 5)
PresharedKey generate_preshared_key();

// X25519 with the base point (RFC 7748 section 6.1). Throws std::runtime_error if OpenSSL lacks it.
PublicKey public_key_of(const PrivateKey& key);

// The commands. Each returns an exit status.
int run_genkey();
int run_genpsk();
int run_pubkey();  // 2 if standard input holds no key

}  // namespace weft
