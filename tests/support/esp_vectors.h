// Published ESP packets: McGrew's 'Test Cases for the Use of Galois/Counter Mode (GCM) and Galois Message
// Authentication Code (GMAC) in IPsec ESP', and RFC 7634 appendix A. Bytes in hex.
#pragma once

#include <cstdint>

#include "crypto/aead.h"

namespace weft::testing {

// Packets with 64-bit sequence numbers.
struct ExtendedVector {
    const char* source;
    const char* key;
    const char* salt;
    std::uint64_t sequence;
    const char* packet;
    const char* payload;
    Cipher cipher;
    std::uint8_t next_header;
};

inline constexpr ExtendedVector extended_vectors[] = {
    {"McGrew's ESP vector 1", "4c80cdefbb5d10da906ac73c3613a634", "2e443b68", 0x8765432100000000,
     "00004321000000004956ed7e3b244cfefecf537e729d5b07dc30df528dd22b76"
     "8d1b98736696a6fd348509fa13ceac34cfa2436f14a3f3cf65925bf1f4a13c5d"
     "15b21e1884f5ff6247aeabb786b93bce61bc17d768fd9732459018148f6cbe72"
     "2fd04796562dfdb4",
     "45000048699a000080114db7c0a80102c0a801010a9bf15638d3010000010000"
     "00000000045f736970045f756470037369700963796265726369747902646b00"
     "00210001",
     Cipher::aes_128_gcm, 1},
    {"McGrew's ESP vector 8", "abbccddef00112233445566778899aab", "decaf888", 0x0000000000000001,
     "0000010000000001cafedebaceface7418a6fd42f72cbf4ab2a2ea901f73d814"
     "e3e7f243d95412e1c349c1d2fbec168f9190feebaf2cb01984e65863965d7472"
     "b79da345e0e780191f0d2f0e0f496c226f2127b27db35724e7845d68651f57e6"
     "5f354f75ff17015769623436",
     "4500004933ba00007f119106c3fb1d10c2b1d326c02831ce0035dd7b800302d5"
     "00004e20001e8c18d75b81dc91baa0476b91b924b280389d92c963bac046ec95"
     "9b6266c04722b14923",
     Cipher::aes_128_gcm, 1},
    {"McGrew's ESP vector 9", "abbccddef00112233445566778899aababbccddef00112233445566778899aab", "73616c74",
     0x156f3126dd0db99b,
     "17405e67dd0db99b616e640169766563f2d69ecdbd5a0d5b8d5ef38bad4da58d"
     "1f278fde98ef67549d524a3018d9a57ff4d3a31ce673119e451626c2415771e3"
     "b7eebca614c89b35",
     "45080028732c00004006e9f90a0106120a01038f06b88023dd6bafbecb712602"
     "50101f646d54",
     Cipher::aes_256_gcm, 1},
    {"McGrew's ESP vector 13", "abbccddef00112233445566778899aab", "decaf888", 0x0000000000000001,
     "0000010000000001cafedebaceface7429c9fc69a197d038ccdd14e2ddfcaa05"
     "43332164412503524303ed3c6c5f283843af8c3e",
     "746f016265016f72016e6f7401746f016265", Cipher::aes_128_gcm, 1},
    {"McGrew's ESP vector 14", "6c6567616c697a656d6172696a75616e61616e64646f69746265666f72656961", "7475726e",
     0xffffffffffffffff,
     "796b6963ffffffff333021696765746df97ab2aa356d8edce17644ac8c78e25d"
     "d24dedbb29ebf1b64a274b39b49c3a864cd3d78ca4ae68a32b42458fb57dbe82"
     "1dcc63b9d0937ba2945f669368661a329fb4c053",
     "45000030da3a00008001df3bc0a80005c0a800010800c6cd0200070061626364"
     "65666768696a6b6c6d6e6f7071727374",
     Cipher::aes_256_gcm, 1},
};

// Packets with 32-bit sequence numbers: weft has only 64-bit ones, whose associated data are longer.
struct ShortVector {
    const char* source;
    const char* key;
    const char* salt;
    const char* packet;
    const char* text;  // payload, padding, trailer
    Cipher cipher;
};

inline constexpr ShortVector short_vectors[] = {
    {"McGrew's ESP vector 2", "feffe9928665731c6d6a8f9467308308", "cafebabe",
     "0000a5f80000000afacedbaddecaf888deb22cd9b07c72c16e3a65beeb8df304"
     "a5a5897d33ae530f1ba76d5d114d2a5c3de81827c10e9a4f51330d0eec416642"
     "cfbb85a5b47e48a4ec3b9ba95d918bd183b70d3aa8bc6ee4c309e9d85a41ad4a",
     "4500003e698f000080114dccc0a80102c0a801010a980035002a2343b2d00100"
     "0001000000000000037369700963796265726369747902646b00000100010001",
     Cipher::aes_128_gcm},
    {"McGrew's ESP vector 3", "abbccddef00112233445566778899aababbccddef00112233445566778899aab", "11223344",
     "4a2cbfe3000000020102030405060708ff425c9b724599df7a3bcd510194e00d"
     "6a78107f1b0b1cbf06efae9d65a5d763748a637985771d347f0545659f14e99d"
     "ef842d8eb335f4eecfdbf831824b4c4915956c96",
     "4500003069a6400080062690c0a801029389155e0a9e008b2dc57ee000000000"
     "7002400020bf0000020405b40101040201020201",
     Cipher::aes_256_gcm},
    {"RFC 7634 appendix A", "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f", "a0a1a2a3",
     "0102030400000005101112131415161724039428b97f417e3c13753a4f05087b"
     "67c352e6a7fab1b982d466ef407ae5c614ee8099d52844eb61aa95dfab4c02f7"
     "2aa71e7c4c4f64c9befe2facc638e8f3cbec163fac469b502773f6fb94e664da"
     "9165b82829f641e076aaa8266b7fb0f7b11b369907e1ad43",
     "45000054a6f200004001e778c6336405c000020508005b7a3a080000553bec10"
     "0007362708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20212223"
     "2425262728292a2b2c2d2e2f303132333435363701020204",
     Cipher::chacha20_poly1305},
};

}  // namespace weft::testing
