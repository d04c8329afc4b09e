#!/bin/bash
# PID 1 of the node: its control plane, and what runs its pods. Keys and certificates come to /k8s when its address
# is known; the last of them is the file `ready`.
set -u
until [ -e /k8s/ready ]; do sleep 0.1; done
log=/var/log/kubernetes
address=$(hostname -I | cut -d' ' -f1)
mkdir -p $log /etc/cni/net.d /etc/kubernetes
cp /k8s/cni.conflist /etc/cni/net.d/10-pods.conflist
for part in kubelet kube-apiserver kube-controller-manager kube-scheduler; do
  ln -sf /usr/local/bin/kubernetes /usr/local/bin/$part
done
# kubelet writes settings of the whole machine's kernel: it gets files instead.
for setting in vm/overcommit_memory=1 vm/panic_on_oom=0 kernel/panic=10 kernel/panic_on_oops=1 \
  kernel/keys/root_maxkeys=1000000 kernel/keys/root_maxbytes=25000000; do
  file=/tmp/$(tr / _ <<< "${setting%=*}")
  echo "${setting#*=}" > "$file"
  mount --bind "$file" "/proc/sys/${setting%=*}"
done
mount --make-rshared /

for user in kubelet controller-manager scheduler; do
  cat > /etc/kubernetes/$user.conf << KUBECONFIG
apiVersion: v1
kind: Config
clusters: [{name: node, cluster: {server: "https://127.0.0.1:6443", certificate-authority: /k8s/ca.pem}}]
users: [{name: $user, user: {client-certificate: /k8s/$user.pem, client-key: /k8s/$user.key}}]
contexts: [{name: node, context: {cluster: node, user: $user}}]
current-context: node
KUBECONFIG
done

containerd --config /k8s/containerd.toml > $log/containerd.log 2>&1 &
etcd --data-dir /var/lib/etcd --unsafe-no-fsync --listen-peer-urls http://127.0.0.1:2380 \
  --listen-client-urls http://127.0.0.1:2379 --advertise-client-urls http://127.0.0.1:2379 > $log/etcd.log 2>&1 &
kube-apiserver --etcd-servers=http://127.0.0.1:2379 --service-cluster-ip-range=10.96.0.0/24 \
  --advertise-address="$address" --secure-port=6443 --client-ca-file=/k8s/ca.pem \
  --tls-cert-file=/k8s/apiserver.pem --tls-private-key-file=/k8s/apiserver.key \
  --kubelet-client-certificate=/k8s/admin.pem --kubelet-client-key=/k8s/admin.key \
  --kubelet-certificate-authority=/k8s/ca.pem --kubelet-preferred-address-types=InternalIP \
  --service-account-issuer=https://kubernetes.default.svc --service-account-key-file=/k8s/accounts.pub \
  --service-account-signing-key-file=/k8s/accounts.key --authorization-mode=Node,RBAC --allow-privileged=true \
  --enable-priority-and-fairness=false > $log/apiserver.log 2>&1 &
until (exec 3<> /dev/tcp/127.0.0.1/6443) 2> /dev/null; do sleep 0.2; done
kube-scheduler --kubeconfig=/etc/kubernetes/scheduler.conf --leader-elect=false \
  --authentication-kubeconfig=/etc/kubernetes/scheduler.conf \
  --authorization-kubeconfig=/etc/kubernetes/scheduler.conf > $log/scheduler.log 2>&1 &
# It ends where it finds that the API server is not all there yet.
(while :; do
  kube-controller-manager --kubeconfig=/etc/kubernetes/controller-manager.conf --leader-elect=false \
    --service-account-private-key-file=/k8s/accounts.key --root-ca-file=/k8s/ca.pem \
    --use-service-account-credentials >> $log/controller-manager.log 2>&1
  sleep 0.5
done) &
kubelet --config=/k8s/kubelet.yaml --kubeconfig=/etc/kubernetes/kubelet.conf --hostname-override=node1 \
  --node-ip="$address" > $log/kubelet.log 2>&1 &
trap 'kill $(jobs -p); exit 0' TERM INT
wait
