// Kaniko and buildah write digests to files, whose names are the platforms: digests/linux-amd64, digests/linux-arm64.
docker.image('ghcr.io/org/manifest-action:1').inside('--entrypoint=') {
    withEnv(["MANIFEST_ACTION_TAGS=ghcr.io/acme/app:${env.TAG_NAME}",
             'MANIFEST_ACTION_DIGESTS=digests',
             'MANIFEST_ACTION_PLATFORMS=linux/amd64,linux/arm64',
             "MANIFEST_ACTION_USERNAME=${env.LOGIN_USR}", "MANIFEST_ACTION_PASSWORD=${env.LOGIN_PSW}"]) {
        sh 'manifest-action'
    }
}
