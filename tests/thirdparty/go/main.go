// Reads what thirdparty_emit wrote with the Go checksum database's own code (note, tlog) and the
// transparency-dev witness formats: every signature, cosignature and proof must hold, and none after the
// smallest change. Then signs one checkpoint the other way round, for thirdparty_emit check.
package main

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	fnote "github.com/transparency-dev/formats/note"

	"github.com/transparency-dev/formats/log"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type record struct {
	Index int64    `json:"index"`
	Data  []byte   `json:"data"`
	Path  [][]byte `json:"path"`
}

type history struct {
	Size int64    `json:"size"`
	Root []byte   `json:"root"`
	Path [][]byte `json:"path"`
}

type logFacts struct {
	Name      string           `json:"name"`
	Note      string           `json:"note"`
	Origin    string           `json:"origin"`
	LogKey    string           `json:"log_key"`
	Witnesses []string         `json:"witnesses"`
	Strangers []string         `json:"strangers"`
	Times     map[string]int64 `json:"times"`
	Size      int64            `json:"size"`
	Root      []byte           `json:"root"`
	Records   []record         `json:"records"`
	Histories []history        `json:"histories"`
	Receipt   string           `json:"receipt"`
}

func hashOf(b []byte) (h tlog.Hash) {
	if len(b) == len(h) {
		copy(h[:], b)
	}
	return h
}

func hashesOf(list [][]byte) []tlog.Hash {
	out := make([]tlog.Hash, len(list))
	for i, b := range list {
		out[i] = hashOf(b)
	}
	return out
}

// checkNote: log signature by sumdb/note, cosignatures by formats/note, checkpoint by formats/log.
func checkNote(f logFacts, text []byte) error {
	server, err := note.NewVerifier(f.LogKey)
	if err != nil {
		return fmt.Errorf("log key: %w", err)
	}
	verifiers := []note.Verifier{}
	for _, key := range f.Witnesses {
		v, err := fnote.NewVerifierForCosignatureV1(key)
		if err != nil {
			return fmt.Errorf("witness key: %w", err)
		}
		verifiers = append(verifiers, v)
	}
	cp, rest, n, err := log.ParseCheckpoint(text, f.Origin, server, verifiers...)
	if err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	if int64(cp.Size) != f.Size || hashOf(cp.Hash) != hashOf(f.Root) {
		return errors.New("checkpoint: another size or root")
	}
	if len(rest) == 0 {
		return errors.New("checkpoint: the term's line is missing")
	}
	if len(n.Sigs) != 1+len(f.Witnesses) || len(n.UnverifiedSigs) != 0 {
		return fmt.Errorf("%d signatures verified, %d not", len(n.Sigs), len(n.UnverifiedSigs))
	}
	for _, sig := range n.Sigs {
		if sig.Hash == server.KeyHash() {
			continue
		}
		at, err := fnote.CoSigV1Timestamp(sig)
		if err != nil || at.Unix() != f.Times[sig.Name] {
			return fmt.Errorf("cosignature of %s: time %v, %v", sig.Name, at, err)
		}
	}
	for _, key := range f.Strangers {
		stranger, err := note.NewVerifier(key)
		if err != nil {
			return fmt.Errorf("stranger's key: %w", err)
		}
		if _, err := note.Open(text, note.VerifierList(stranger)); err == nil {
			return errors.New("a stranger's key verifies the note")
		}
	}
	return nil
}

func checkProofs(f logFacts) error {
	root := hashOf(f.Root)
	for _, r := range f.Records {
		path := tlog.RecordProof(hashesOf(r.Path))
		leaf := tlog.RecordHash(r.Data)
		if err := tlog.CheckRecord(path, f.Size, root, r.Index, leaf); err != nil {
			return fmt.Errorf("record %d: %w", r.Index, err)
		}
		if tlog.CheckRecord(path, f.Size, root, r.Index, tlog.RecordHash(append(r.Data, 0))) == nil {
			return fmt.Errorf("record %d: an altered one passes", r.Index)
		}
		if f.Size > 1 && tlog.CheckRecord(path, f.Size, root, (r.Index+1)%f.Size, leaf) == nil {
			return fmt.Errorf("record %d: passes at another index", r.Index)
		}
	}
	for _, h := range f.Histories {
		path := tlog.TreeProof(hashesOf(h.Path))
		if err := tlog.CheckTree(path, f.Size, root, h.Size, hashOf(h.Root)); err != nil {
			return fmt.Errorf("history of %d: %w", h.Size, err)
		}
		other := hashOf(h.Root)
		other[0] ^= 1
		if tlog.CheckTree(path, f.Size, root, h.Size, other) == nil {
			return fmt.Errorf("history of %d: another one passes", h.Size)
		}
	}
	return nil
}

func checkLog(directory string, f logFacts) error {
	text, err := os.ReadFile(filepath.Join(directory, f.Note))
	if err != nil {
		return err
	}
	if err := checkNote(f, text); err != nil {
		return err
	}
	altered := append([]byte{}, text...)
	altered[0] ^= 1
	if checkNote(f, altered) == nil {
		return errors.New("an altered checkpoint passes")
	}
	if err := checkProofs(f); err != nil {
		return err
	}
	if f.Receipt == "" {
		return nil
	}
	receipt, err := os.ReadFile(filepath.Join(directory, f.Receipt))
	if err != nil {
		return err
	}
	return checkReceipt(f, receipt)
}

// sign writes go.checkpoint and go.key: the first log's checkpoint, signed and cosigned here.
func sign(directory string, f logFacts) error {
	text, err := os.ReadFile(filepath.Join(directory, f.Note))
	if err != nil {
		return err
	}
	server, err := note.NewVerifier(f.LogKey)
	if err != nil {
		return err
	}
	n, err := note.Open(text, note.VerifierList(server))
	if err != nil {
		return err
	}
	secret, public, err := note.GenerateKey(rand.Reader, "go-witness")
	if err != nil {
		return err
	}
	signer, err := note.NewSigner(secret)
	if err != nil {
		return err
	}
	cosigner, err := fnote.NewSignerForCosignatureV1(secret)
	if err != nil {
		return err
	}
	signed, err := note.Sign(n, signer, cosigner)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(directory, "go.checkpoint"), signed, 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(directory, "go.key"), []byte(public), 0o644)
}

func run(directory string) error {
	raw, err := os.ReadFile(filepath.Join(directory, "facts.json"))
	if err != nil {
		return err
	}
	var facts struct {
		Logs []logFacts `json:"logs"`
	}
	if err := json.Unmarshal(raw, &facts); err != nil {
		return err
	}
	if len(facts.Logs) == 0 {
		return errors.New("no logs to check")
	}
	for _, f := range facts.Logs {
		if err := checkLog(directory, f); err != nil {
			return fmt.Errorf("%s: %w", f.Name, err)
		}
		fmt.Printf("Go reads %s: %d signatures, %d inclusion and %d consistency proofs\n",
			f.Name, 1+len(f.Witnesses), len(f.Records), len(f.Histories))
	}
	return sign(directory, facts.Logs[0])
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: thirdparty DIRECTORY")
		os.Exit(2)
	}
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "thirdparty:", err)
		os.Exit(1)
	}
}
