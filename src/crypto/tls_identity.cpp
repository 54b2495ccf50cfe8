#include "crypto/tls_identity.hpp"

#include <openssl/err.h>
#include <openssl/x509.h>

#include "crypto/openssl_handles.hpp"

namespace sealift::crypto {

namespace {

constexpr const char* kNotBefore = "20200101000000Z";
constexpr const char* kNotAfter = "99991231235959Z";

// 16 bytes of the key's digest, positive and non-zero (RFC 5280 4.1.2.2).
bool set_serial(X509* certificate, const PublicKey& key) {
  Digest id = key.id();
  id.bytes[0] = static_cast<std::uint8_t>((id.bytes[0] & 0x3fU) | 0x40U);
  BIGNUM* number = BN_bin2bn(id.bytes.data(), 16, nullptr);
  const bool set =
      number != nullptr && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate)) != nullptr;
  BN_free(number);
  return set;
}

bool set_names(X509* certificate) {
  X509_NAME* name = X509_get_subject_name(certificate);
  const auto* text = reinterpret_cast<const unsigned char*>("sealift");
  return X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, text, -1, -1, 0) == 1 &&
         X509_set_issuer_name(certificate, name) == 1;
}

}  // namespace

Result<TlsIdentity> TlsIdentity::make(const Identity& identity) {
  std::shared_ptr<X509> certificate(X509_new(), X509_free);
  EVP_PKEY* key = identity.native();
  const bool made = certificate != nullptr && X509_set_version(certificate.get(), X509_VERSION_3) == 1 &&
                    set_serial(certificate.get(), identity.public_key()) && set_names(certificate.get()) &&
                    ASN1_TIME_set_string_X509(X509_getm_notBefore(certificate.get()), kNotBefore) == 1 &&
                    ASN1_TIME_set_string_X509(X509_getm_notAfter(certificate.get()), kNotAfter) == 1 &&
                    X509_set_pubkey(certificate.get(), key) == 1 &&
                    X509_sign(certificate.get(), key, nullptr) > 0;
  if (!made) {
    ERR_clear_error();
    return fail(Code::kInternal, "OpenSSL could not make the host's TLS certificate");
  }
  return TlsIdentity(identity.clone(), std::move(certificate));
}

Result<PublicKey> certificate_key(x509_st* certificate) {
  EVP_PKEY* key = certificate == nullptr ? nullptr : X509_get0_pubkey(certificate);
  std::array<std::uint8_t, kPublicKeyBytes> raw{};
  std::size_t length = raw.size();
  if (key == nullptr || EVP_PKEY_get_id(key) != EVP_PKEY_ED25519 ||
      EVP_PKEY_get_raw_public_key(key, raw.data(), &length) != 1 || length != raw.size()) {
    ERR_clear_error();
    return fail(Code::kUnauthorized, "the peer's certificate holds no Ed25519 key");
  }
  const Result<PublicKey> parsed = PublicKey::from_bytes(raw);
  if (!parsed) return fail(Code::kUnauthorized, "the peer's certificate: {}", parsed.error().message);
  return *parsed;
}

}  // namespace sealift::crypto
