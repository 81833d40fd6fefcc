/* global SwaggerUIBundle */

/** Who is authorised, in this tab: gone with it, as Swagger UI's own place for it (localStorage) would not be. */
const KEPT = 'musubi.authorized';

const keepInTab = () => ({
  statePlugins: {
    auth: {
      wrapActions: {
        persistAuthorizationIfNeeded:
          (original, { authSelectors }) =>
          () => {
            sessionStorage.setItem(KEPT, JSON.stringify(authSelectors.authorized().toJS()));
            return original();
          },
      },
    },
  },
});

/** The tokens that a login, or a refresh, on this page answers with are those that it goes on with. */
function authorizeBy(response) {
  const { pathname } = new URL(response.url, location.href);
  const token = /\/v1\/auth\/(login|refresh)$/.test(pathname) && response.obj?.accessToken;
  if (token) {
    const schema = ui.specSelectors.specJson().getIn(['components', 'securitySchemes', 'bearer']).toJS();
    ui.authActions.authorizeWithPersistOption({ bearer: { name: 'bearer', schema, value: token } });
  }
  return response;
}

const ui = SwaggerUIBundle({
  url: '/openapi.json',
  dom_id: '#swagger-ui',
  deepLinking: true,
  validatorUrl: null,
  plugins: [keepInTab],
  responseInterceptor: authorizeBy,
  onComplete() {
    const kept = sessionStorage.getItem(KEPT);
    if (kept) ui.authActions.restoreAuthorization({ authorized: JSON.parse(kept) });
  },
});
window.ui = ui;
