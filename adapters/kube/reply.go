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

// reply takes what executors post. Each of them has a token for this one
// reply; what it posts is believed as much as its log is.
type reply struct {
	runner      *Runner
	listener    net.Listener
	server      *http.Server
	certificate string // PEM
	port        int
}

const (
	// certificateTime is longer than any worker lives without a new start.
	certificateTime = 10 * 365 * 24 * time.Hour
	replyTime       = 10 * time.Second
	// The extra values of a token that is bound to a pod.
	extraPodUID = "authentication.kubernetes.io/pod-uid"
)

func newReply(r *Runner, o Reply) (*reply, error) {
	host, number, err := net.SplitHostPort(o.Address)
	if err != nil || net.ParseIP(host) == nil {
		return nil, fmt.Errorf("kube: Reply.Address is %q and must be an IP address and a port: pods of tools resolve no names", o.Address)
	}
	port, err := strconv.Atoi(number)
	if err != nil || o.Listener == nil || o.Namespace == "" || len(o.Labels) == 0 {
		return nil, errors.New("kube: all of Reply is required")
	}
	cert, err := certify(net.ParseIP(host))
	if err != nil {
		return nil, err
	}
	re := &reply{runner: r, listener: o.Listener, port: port}
	re.certificate = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Certificate[0]}))
	mux := http.NewServeMux()
	mux.HandleFunc("POST /reply/{job}", re.take)
	re.server = &http.Server{
		Handler: mux, TLSConfig: &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS13},
		ReadHeaderTimeout: replyTime, ReadTimeout: replyTime, WriteTimeout: replyTime, IdleTimeout: replyTime, MaxHeaderBytes: 16 << 10,
		ErrorLog: log.New(io.Discard, "", 0), // whoever connects decides what would be in it
	}
	return re, nil
}

// certify makes a certificate for this process alone: its key is in no file.
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

func (re *reply) serve(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), replyTime)
		defer cancel()
		_ = re.server.Shutdown(ctx) // those that it cuts off are read from their logs
	})
	defer stop()
	if err := re.server.ServeTLS(re.listener, "", ""); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("kube: replies can't be taken: %w", err)
	}
	return nil
}

// take takes one reply: of the Job that somebody here waits for, by its very
// pod, and once.
func (re *reply) take(w http.ResponseWriter, q *http.Request) {
	name := q.PathValue("job")
	uid, waiting := re.runner.pods.waiting(name)
	if waiting == nil {
		http.Error(w, "nobody waits for this", http.StatusNotFound)
		return
	}
	if err := re.authenticate(q, name, uid); err != nil {
		re.runner.o.Logger.WarnContext(q.Context(), "a reply was refused", slog.String("job", name), slog.Any("error", err))
		http.Error(w, "this token is not for this reply", http.StatusUnauthorized)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, q.Body, int64(waiting.limit)))
	if err != nil {
		http.Error(w, "the reply is too large, or it broke off", http.StatusRequestEntityTooLarge)
		return
	}
	status := http.StatusConflict
	waiting.replied.Do(func() {
		waiting.reply <- body
		status = http.StatusNoContent
	})
	w.WriteHeader(status)
}

// authenticate asks the API server whose token this is: it must be that of the
// Job's account, for this reply, and bound to the Job's pod.
func (re *reply) authenticate(q *http.Request, name string, job types.UID) error {
	token, ok := strings.CutPrefix(q.Header.Get("Authorization"), "Bearer ")
	if !ok {
		return errors.New("there is no token")
	}
	o := re.runner.o
	ctx, cancel := context.WithTimeout(q.Context(), replyTime) // whoever posts may keep its connection for ever
	defer cancel()
	review, err := o.Client.AuthenticationV1().TokenReviews().Create(ctx, &authenticationv1.TokenReview{
		Spec: authenticationv1.TokenReviewSpec{Token: token, Audiences: []string{replyAudience(name)}},
	}, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	s := review.Status
	switch account := "system:serviceaccount:" + o.Namespace + ":" + name; {
	case !s.Authenticated:
		return errors.New("the API server does not know the token")
	case s.User.Username != account:
		return fmt.Errorf("the token is %s's, not %s's", s.User.Username, account)
	case !slices.Contains(s.Audiences, replyAudience(name)):
		return errors.New("the token is for another audience")
	}
	return re.runner.isPodOf(ctx, s.User.Extra[extraPodUID], job)
}

// isPodOf refuses a pod that is not the Job's.
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
