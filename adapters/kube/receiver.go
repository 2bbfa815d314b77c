package kube

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// resultReceiver is the worker's listener to which executors post their
// responses. Each executor has a token for its one response. A response is as
// trustworthy as the pod's log.
type resultReceiver struct {
	runner      *Runner
	listener    net.Listener
	server      *http.Server
	certificate string // PEM
	port        int
}

const (
	// certificateTime is longer than any worker runs without a restart.
	certificateTime = 10 * 365 * 24 * time.Hour
	receiveTime     = 10 * time.Second
	// extraPodUID is the key under which a TokenReview returns the UID of the pod
	// that a token is bound to.
	extraPodUID = "authentication.kubernetes.io/pod-uid"
)

func newResultReceiver(r *Runner, o ResultReceiver) (*resultReceiver, error) {
	host, number, err := net.SplitHostPort(o.Address)
	if err != nil || net.ParseIP(host) == nil {
		return nil, fmt.Errorf("kube: ResultReceiver.Address is %q; want an IP address and a port, because pods of tools resolve no names", o.Address)
	}
	port, err := strconv.Atoi(number)
	if err != nil || o.Listener == nil || o.Namespace == "" || len(o.Labels) == 0 {
		return nil, errors.New("kube: all fields of ResultReceiver are required")
	}
	cert, err := certify(net.ParseIP(host))
	if err != nil {
		return nil, err
	}
	re := &resultReceiver{runner: r, listener: o.Listener, port: port}
	re.certificate = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Certificate[0]}))
	mux := http.NewServeMux()
	mux.HandleFunc("POST /reply/{job}", re.receive)
	re.server = &http.Server{
		Handler: mux, TLSConfig: &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS13},
		ReadHeaderTimeout: receiveTime, ReadTimeout: receiveTime, WriteTimeout: receiveTime, IdleTimeout: receiveTime, MaxHeaderBytes: 16 << 10,
		ErrorLog: log.New(io.Discard, "", 0), // any pod that connects could fill it
	}
	return re, nil
}

// certify makes a certificate for this process. Its key is stored in no file.
func certify(ip net.IP) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return tls.Certificate{}, err
	}
	now := time.Now()
	c := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "sallyport worker"}, IPAddresses: []net.IP{ip},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(certificateTime), BasicConstraintsValid: true, IsCA: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
}

func (re *resultReceiver) serve(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), receiveTime)
		defer cancel()
		_ = re.server.Shutdown(ctx) // the worker reads the responses that it cuts off from the logs
	})
	defer stop()
	if err := re.server.ServeTLS(re.listener, "", ""); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("kube: the result receiver on %s failed: %w", re.listener.Addr(), err)
	}
	return nil
}

// receive accepts one response: of a Job that this worker waits for, from the
// Job's own pod, and once.
func (re *resultReceiver) receive(w http.ResponseWriter, q *http.Request) {
	name := q.PathValue("job")
	uid, waiting := re.runner.pods.waiting(name)
	if waiting == nil {
		http.Error(w, "this worker does not wait for the Job", http.StatusNotFound)
		return
	}
	if err := re.authenticate(q, name, uid); err != nil {
		re.runner.o.Logger.WarnContext(q.Context(), "refused the response of an executor", slog.String("job", name), slog.Any("error", err))
		http.Error(w, "the token is not valid for this Job's response", http.StatusUnauthorized)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, q.Body, int64(waiting.limit)))
	if err != nil {
		http.Error(w, "the response is too large or incomplete", http.StatusRequestEntityTooLarge)
		return
	}
	status := http.StatusConflict
	waiting.once.Do(func() {
		waiting.posted <- body
		status = http.StatusNoContent
	})
	w.WriteHeader(status)
}

// authenticate has the API server verify the token: it must be that of the
// Job's ServiceAccount, for this response, and bound to the Job's pod.
func (re *resultReceiver) authenticate(q *http.Request, name string, job types.UID) error {
	token, ok := strings.CutPrefix(q.Header.Get("Authorization"), "Bearer ")
	if !ok {
		return errors.New("the request has no bearer token")
	}
	o, audience := re.runner.o, resultAudience(name)
	ctx, cancel := context.WithTimeout(q.Context(), receiveTime) // the pod may keep its connection open for ever
	defer cancel()
	review, err := o.Client.AuthenticationV1().TokenReviews().Create(ctx, &authenticationv1.TokenReview{
		Spec: authenticationv1.TokenReviewSpec{Token: token, Audiences: []string{audience}},
	}, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	s := review.Status
	switch account := "system:serviceaccount:" + o.Namespace + ":" + name; {
	case !s.Authenticated:
		return errors.New("the API server does not accept the token")
	case s.User.Username != account:
		return fmt.Errorf("the token belongs to %s; want %s", s.User.Username, account)
	case !slices.Contains(s.Audiences, audience):
		return fmt.Errorf("the token is for another audience; want %s", audience)
	}
	return re.runner.isPodOf(ctx, s.User.Extra[extraPodUID], job)
}

// isPodOf returns an error unless the UID is that of the Job's pod.
func (r *Runner) isPodOf(ctx context.Context, uid authenticationv1.ExtraValue, job types.UID) error {
	list := func() ([]types.UID, error) {
		var uids []types.UID
		all, err := r.pods.informer.GetIndexer().ByIndex(byJob, string(job))
		for _, o := range all {
			uids = append(uids, o.(metav1.Object).GetUID()) //nolint:forcetypeassert // what the informer holds
		}
		return uids, err
	}
	pods, err := list()
	if err == nil && len(pods) == 0 { // the watch may be late
		live, err := r.o.Client.CoreV1().Pods(r.o.Namespace).List(ctx, metav1.ListOptions{LabelSelector: "batch.kubernetes.io/controller-uid=" + string(job)})
		if err != nil {
			return err
		}
		for _, p := range live.Items {
			if owner := metav1.GetControllerOf(&p); owner != nil && owner.UID == job {
				pods = append(pods, p.UID)
			}
		}
	}
	if err != nil || len(uid) != 1 || !slices.Contains(pods, types.UID(uid[0])) {
		return errors.New("the token is not bound to the Job's pod")
	}
	return nil
}
