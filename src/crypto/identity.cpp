#include "crypto/identity.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "base/check.hpp"
#include "crypto/openssl_handles.hpp"
#include "crypto/secret.hpp"

namespace sealift::crypto {

namespace {

constexpr std::size_t kSeedBytes = 32;
constexpr std::size_t kKeyFileBytesMax = std::size_t{16} * 1024;

std::shared_ptr<EVP_PKEY> shared(EVP_PKEY* key) {
  return {key, EVP_PKEY_free};
}

// An encrypted key file must not make the daemon ask a terminal for a pass phrase.
int no_pass_phrase(char*, int, int, void*) {
  return -1;
}

}  // namespace

Identity::Identity(std::shared_ptr<evp_pkey_st> key) : key_(std::move(key)) {
  std::array<std::uint8_t, kPublicKeyBytes> raw{};
  std::size_t length = raw.size();
  SEALIFT_CHECK(EVP_PKEY_get_raw_public_key(key_.get(), raw.data(), &length) == 1 && length == raw.size());
  const Result<PublicKey> key_of = PublicKey::from_bytes(raw);
  SEALIFT_CHECK(key_of.has_value());  // a public key derived from a private one is never of small order
  public_ = *key_of;
}

Identity Identity::generate(Random& random) {
  const Secret seed = Secret::random(kSeedBytes, random);
  Result<Identity> made = from_seed(seed.reveal());
  SEALIFT_CHECK(made.has_value());
  return std::move(*made);
}

Result<Identity> Identity::from_seed(ByteView seed) {
  if (seed.size() != kSeedBytes)
    return fail(Code::kInvalid, "an Ed25519 private key has {} bytes, not {}", kSeedBytes, seed.size());
  auto key = shared(EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, seed.data(), seed.size()));
  SEALIFT_CHECK(key != nullptr);
  return Identity(std::move(key));
}

Result<Identity> Identity::load(const file::Path& path) {
  struct stat info{};
  const UniqueFd fd = SEALIFT_TRY(file::open(path, O_RDONLY));
  if (::fstat(fd.get(), &info) != 0) return fail_errno(errno, "stat " + path.string());
  if ((info.st_mode & 077U) != 0)
    return fail(Code::kRefused,
                "{} holds a private key and others may read it (mode {:04o}): if nobody did, chmod 600 it; "
                "otherwise replace the key",
                path.string(), info.st_mode & 07777U);
  if (info.st_size > static_cast<off_t>(kKeyFileBytesMax))
    return fail(Code::kCorrupt, "{} is too large for a private key ({} bytes)", path.string(), info.st_size);
  Secret pem(static_cast<std::size_t>(info.st_size));
  SEALIFT_TRY_STATUS(file::read_exact(fd.get(), pem.mutable_bytes(), 0, path));
  const BioHandle bio(BIO_new_mem_buf(pem.reveal().data(), static_cast<int>(pem.size())));
  auto key = shared(bio ? PEM_read_bio_PrivateKey(bio.get(), nullptr, no_pass_phrase, nullptr) : nullptr);
  ERR_clear_error();
  if (!key || EVP_PKEY_get_id(key.get()) != EVP_PKEY_ED25519)
    return fail(Code::kCorrupt,
                "{} holds no Ed25519 private key (PEM, PKCS#8, not encrypted): restore it from where it was "
                "made; a host without its key must join anew",
                path.string());
  return Identity(std::move(key));
}

Status Identity::save(const file::Path& path) const {
  std::error_code ignored;
  if (std::filesystem::exists(std::filesystem::symlink_status(path, ignored)))
    return fail(Code::kConflict, "{} exists already: a key is never overwritten", path.string());
  const BioHandle bio(BIO_new(BIO_s_secmem()));
  SEALIFT_CHECK(bio &&
                PEM_write_bio_PrivateKey(bio.get(), key_.get(), nullptr, nullptr, 0, nullptr, nullptr) == 1);
  char* text = nullptr;
  const long length = BIO_get_mem_data(bio.get(), &text);
  SEALIFT_CHECK(length > 0);
  return file::write_atomic(path, std::string_view(text, static_cast<std::size_t>(length)), 0600);
}

Bytes Identity::sign(std::string_view context, ByteView message) const {
  const Bytes framed = signed_bytes(context, message);
  const ByteView input = context.empty() ? message : ByteView(framed);
  const DigestContextHandle digest(EVP_MD_CTX_new());
  Bytes signature(kSignatureBytes);
  std::size_t length = signature.size();
  SEALIFT_CHECK(digest && EVP_DigestSignInit(digest.get(), nullptr, nullptr, nullptr, key_.get()) == 1);
  SEALIFT_CHECK(EVP_DigestSign(digest.get(), signature.data(), &length, input.data(), input.size()) == 1 &&
                length == signature.size());
  return signature;
}

Identity Identity::clone() const {
  return Identity(key_);
}

}  // namespace sealift::crypto
