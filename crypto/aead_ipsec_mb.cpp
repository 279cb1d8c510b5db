// Aead by libipsec-mb, whose GCM seals a packet in one call and uses the widest vectors of the CPU.
//
// Threads. The manager that the library wants is a table of functions, which its initialization fills for
// this CPU, and a queue of jobs. GCM needs a function of the table and the caller's memory, so one table,
// copied at the first use, serves all threads. ChaCha20-Poly1305 is fast only as a job, so each thread that
// meets it gets a manager of its own; a job of this kind is done when it has been submitted.
// Version 1.3 also clears an error number of the process in every call, a cache line that all threads write.
//
// When. Against OpenSSL 3.0, GCM is faster at every size from AVX on, ChaCha20-Poly1305 only with AVX-512.
//
// Memory. An SA of GCM holds 1 KiB of round keys and powers of the hash key, a manager 200 KiB (jobs have key
// material in it: it is secret memory, too), the library itself 3 MiB.
#include <array>
#include <cstdlib>

#include "crypto/aead_backend.h"

#ifdef WEFT_IPSEC_MB

#include <intel-ipsec-mb.h>
#include <openssl/crypto.h>

#include "crypto/code_pages.h"

namespace weft {

namespace {

using Manager = std::unique_ptr<IMB_MGR, FreeSecret>;

Manager make_manager() noexcept {
    Manager manager{imb_set_pointers_mb_mgr(allocate_secret(imb_get_mb_mgr_size()), 0, 1)};
    if (manager) init_mb_mgr_auto(manager.get(), nullptr);
    return manager;
}

struct Gcm {
    aes_gcm_pre_t expand_key = nullptr;
    aes_gcm_enc_dec_t seal = nullptr;
    aes_gcm_enc_dec_t open = nullptr;
};

struct Functions {
    Gcm aes_128;
    Gcm aes_256;
    bool suits_gcm = false;
    bool suits_chacha = false;
};

Functions find_functions() noexcept {
    const Manager manager = make_manager();
    if (!manager || imb_get_errno(manager.get()) != 0) return {};
    // Its start touches nearly all of its code, to test itself and every algorithm that it has.
    give_back_code_pages(reinterpret_cast<const void*>(manager->gcm128_enc));
    constexpr std::uint64_t needed = IMB_FEATURE_AESNI | IMB_FEATURE_PCLMULQDQ | IMB_FEATURE_AVX |
                                     IMB_FEATURE_SELF_TEST | IMB_FEATURE_SELF_TEST_PASS;
    const bool suits_gcm = (manager->features & needed) == needed;
    return {.aes_128 = {manager->gcm128_pre, manager->gcm128_enc, manager->gcm128_dec},
            .aes_256 = {manager->gcm256_pre, manager->gcm256_enc, manager->gcm256_dec},
            .suits_gcm = suits_gcm,
            .suits_chacha = suits_gcm && manager->used_arch == IMB_ARCH_AVX512};
}

const Functions& functions() noexcept {
    static const Functions found = find_functions();
    return found;
}

using Tag = std::array<std::uint8_t, aead_tag_size>;

bool is_same(const Tag& computed, std::span<const std::uint8_t, aead_tag_size> expected) noexcept {
    return CRYPTO_memcmp(computed.data(), expected.data(), computed.size()) == 0;
}

class GcmContext final : public AeadContext {
  public:
    GcmContext(const Gcm& gcm, std::span<const std::uint8_t> key) : seal_(gcm.seal), open_(gcm.open) {
        gcm.expand_key(key.data(), &key_);
    }

    bool seal(std::span<const std::uint8_t, aead_nonce_size> nonce, std::span<const std::uint8_t> associated,
              std::span<std::uint8_t> text, std::span<std::uint8_t, aead_tag_size> tag) noexcept override {
        gcm_context_data packet;  // NOLINT(cppcoreguidelines-pro-type-member-init): the call fills it
        seal_(&key_, &packet, text.data(), text.data(), text.size(), nonce.data(), associated.data(),
              associated.size(), tag.data(), tag.size());
        return true;
    }

    bool open(std::span<const std::uint8_t, aead_nonce_size> nonce, std::span<const std::uint8_t> associated,
              std::span<const std::uint8_t> sealed, std::span<std::uint8_t> text,
              std::span<const std::uint8_t, aead_tag_size> tag) noexcept override {
        gcm_context_data packet;  // NOLINT(cppcoreguidelines-pro-type-member-init): the call fills it
        Tag computed;
        open_(&key_, &packet, text.data(), sealed.data(), sealed.size(), nonce.data(), associated.data(),
              associated.size(), computed.data(), computed.size());
        return is_same(computed, tag);
    }

  private:
    aes_gcm_enc_dec_t seal_;
    aes_gcm_enc_dec_t open_;
    alignas(64) gcm_key_data key_{};
};

// Aborts if there is no memory for a manager: the packet path has no way on.
IMB_MGR* manager_of_thread() noexcept {
    static thread_local const Manager manager = make_manager();
    if (!manager) std::abort();
    return manager.get();
}

class ChachaContext final : public AeadContext {
  public:
    explicit ChachaContext(std::span<const std::uint8_t> key) { std::ranges::copy(key, key_.begin()); }

    bool seal(std::span<const std::uint8_t, aead_nonce_size> nonce, std::span<const std::uint8_t> associated,
              std::span<std::uint8_t> text, std::span<std::uint8_t, aead_tag_size> tag) noexcept override {
        return run(IMB_DIR_ENCRYPT, nonce, associated, text, text, tag.data());
    }

    bool open(std::span<const std::uint8_t, aead_nonce_size> nonce, std::span<const std::uint8_t> associated,
              std::span<const std::uint8_t> sealed, std::span<std::uint8_t> text,
              std::span<const std::uint8_t, aead_tag_size> tag) noexcept override {
        Tag computed;
        return run(IMB_DIR_DECRYPT, nonce, associated, sealed, text, computed.data()) &&
               is_same(computed, tag);
    }

  private:
    // The tag is of the sealed bytes: computed after encrypting, or before decrypting.
    bool run(IMB_CIPHER_DIRECTION direction, std::span<const std::uint8_t, aead_nonce_size> nonce,
             std::span<const std::uint8_t> associated, std::span<const std::uint8_t> in,
             std::span<std::uint8_t> out, std::uint8_t* tag) noexcept {
        IMB_MGR* const manager = manager_of_thread();
        IMB_JOB* const job = IMB_GET_NEXT_JOB(manager);
        job->cipher_mode = IMB_CIPHER_CHACHA20_POLY1305;
        job->hash_alg = IMB_AUTH_CHACHA20_POLY1305;
        job->cipher_direction = direction;
        job->chain_order = direction == IMB_DIR_ENCRYPT ? IMB_ORDER_CIPHER_HASH : IMB_ORDER_HASH_CIPHER;
        job->enc_keys = key_.data();
        job->dec_keys = key_.data();
        job->key_len_in_bytes = key_.size();
        job->iv = nonce.data();
        job->iv_len_in_bytes = nonce.size();
        job->u.CHACHA20_POLY1305.aad = associated.data();
        job->u.CHACHA20_POLY1305.aad_len_in_bytes = associated.size();
        job->src = in.data();
        job->dst = out.data();
        job->cipher_start_src_offset_in_bytes = 0;
        job->msg_len_to_cipher_in_bytes = in.size();
        job->hash_start_src_offset_in_bytes = 0;
        job->msg_len_to_hash_in_bytes = in.size();
        job->auth_tag_output = tag;
        job->auth_tag_output_len_in_bytes = aead_tag_size;
        const IMB_JOB* const done = IMB_SUBMIT_JOB_NOCHECK(manager);
        return done == job && done->status == IMB_STATUS_COMPLETED;
    }

    std::array<std::uint8_t, 32> key_{};
};

}  // namespace

bool ipsec_mb_suits(Cipher cipher) noexcept {
    return cipher == Cipher::chacha20_poly1305 ? functions().suits_chacha : functions().suits_gcm;
}

std::unique_ptr<AeadContext> make_ipsec_mb_context(Cipher cipher, std::span<const std::uint8_t> key) {
    if (cipher == Cipher::chacha20_poly1305) return std::make_unique<ChachaContext>(key);
    return std::make_unique<GcmContext>(
        cipher == Cipher::aes_128_gcm ? functions().aes_128 : functions().aes_256, key);
}

}  // namespace weft

#else

namespace weft {

bool ipsec_mb_suits(Cipher /*cipher*/) noexcept {
    return false;
}

std::unique_ptr<AeadContext> make_ipsec_mb_context(Cipher /*cipher*/, std::span<const std::uint8_t> /*key*/) {
    std::abort();
}

}  // namespace weft

#endif
